/** Starts a server process with its inherited fds and listens to what it says. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { UserError } from "../base/errors.js";
import type { BackingFacts } from "../linux/backing.js";

export interface ServerReady {
  /** What the machine refused it. */
  readonly refused: readonly string[];
  readonly io: "served" | "direct";
  /** Why not direct, where the pool itself is the reason. */
  readonly ioReason: string | null;
  /** The pool had not been closed; every entry was looked at. */
  readonly wasUnclean: boolean;
}

/** What the server says, a line of JSON each. */
export type FromServer =
  | ({ readonly kind: "ready" } & ServerReady)
  | { readonly kind: "warning"; readonly message: string }
  /** The pool is damaged: nothing is written any more. */
  | { readonly kind: "damage"; readonly message: string }
  /** The pool cannot be served; the server ends. */
  | { readonly kind: "refused"; readonly message: string; readonly cure?: string }
  /** A broken invariant; the server ends at once. */
  | { readonly kind: "fatal"; readonly message: string }
  /** The session is over and the pool is closed cleanly; the server ends. */
  | { readonly kind: "closed" };

/** Told of what a server says while it serves. */
export interface ServerListener {
  warning(message: string): void;
  damage(message: string): void;
}

/** The server's number of the session's memory; the pool's and the device's fds follow. */
export const SESSION_FD = 3;
const FIRST_FURTHER_FD = 4;

/** Little garbage is made: with V8's own size of the young generation a server took 8 MB more. */
const SMALL_HEAPS = "--max-semi-space-size=1";

export interface ServerEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The server said that it closed the pool. */
  readonly closed: boolean;
  /** Its last words, where it had any, and what it said would help. */
  readonly message: string | null;
  readonly cure: string | null;
}

export interface ServerProcess {
  readonly pid: number;
  /** Resolves when it serves. Rejects with its own words when it cannot. */
  readonly ready: Promise<ServerReady>;
  /** Resolves when the process is gone. */
  readonly ended: Promise<ServerEnd>;
  kill(signal: NodeJS.Signals): void;
}

/** The fds a server inherits beside the session's memory, and the facts with their numbers over there. */
export function inheritance(
  backing: BackingFacts,
  channelFds: readonly number[],
): { readonly fds: readonly number[]; readonly backing: BackingFacts; readonly channelFds: readonly number[] } {
  const { metaFd, dataFd, tmpfsFd } = backing;
  const poolFds = [...new Set([metaFd, dataFd, ...(tmpfsFd === undefined ? [] : [tmpfsFd])])];
  const there = (fd: number): number => FIRST_FURTHER_FD + poolFds.indexOf(fd);
  return {
    fds: [...poolFds, ...channelFds],
    backing: {
      ...backing,
      metaFd: there(metaFd),
      dataFd: there(dataFd),
      ...(tmpfsFd === undefined ? {} : { tmpfsFd: there(tmpfsFd) }),
    },
    channelFds: channelFds.map((_fd, i) => FIRST_FURTHER_FD + poolFds.length + i),
  };
}

export function startServer(sessionFd: number, furtherFds: readonly number[], listener: ServerListener): ServerProcess {
  const child = spawn(process.execPath, [SMALL_HEAPS, fileURLToPath(new URL("./serverMain.js", import.meta.url))], {
    cwd: "/",
    // Its own session: a Ctrl-C at the terminal is the holder's to answer.
    detached: true,
    stdio: ["ignore", "pipe", "inherit", sessionFd, ...furtherFds],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  return listen(child, listener);
}

function listen(child: ChildProcess, listener: ServerListener): ServerProcess {
  let closed = false;
  let lastWords: string | null = null;
  let cure: string | null = null;
  let resolveReady: (value: ServerReady) => void = () => {};
  let rejectReady: (error: Error) => void = () => {};
  const ready = new Promise<ServerReady>((resolve, reject) => {
    resolveReady = resolve;
    rejectReady = reject;
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const message = parseLine(line);
      if (message.kind === "ready") resolveReady(message);
      else if (message.kind === "closed") closed = true;
      else if (message.kind === "warning") listener.warning(message.message);
      else if (message.kind === "damage") listener.damage(message.message);
      else {
        lastWords = message.message;
        if (message.kind === "refused") cure = message.cure ?? null;
      }
    });
  }
  const ended = new Promise<ServerEnd>((resolve) => {
    // `close` comes after the last line was read, and after the process is gone.
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal, closed, message: lastWords, cure }));
    child.once("error", (error) =>
      resolve({ exitCode: null, signal: null, closed: false, message: error.message, cure: null }),
    );
  });
  ended.then((end) =>
    rejectReady(new UserError("server", end.message ?? describeEnd(end), end.cure === null ? {} : { cure: end.cure })),
  );
  ready.catch(() => {});
  return { pid: child.pid ?? -1, ready, ended, kill: (signal) => child.kill(signal) };
}

/** A line that is not ours (a library's own words) is passed on as a warning. */
function parseLine(line: string): FromServer {
  try {
    return JSON.parse(line) as FromServer;
  } catch {
    return { kind: "warning", message: line };
  }
}

/** For people: how a server ended. */
export function describeEnd(end: ServerEnd): string {
  const how = end.signal === null ? `exited with code ${end.exitCode}` : `was killed by ${end.signal}`;
  return end.message === null ? how : `${how}: ${end.message}`;
}
