/** Starts a server process with its inherited fds and reads its messages. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { errorFromBody, UserError } from "../../base/errors.js";
import { type Backing, fdsOf, withFds } from "../../linux/backing/backing.js";
import { nodeArguments, nodeEnvironment, SMALL_HEAPS } from "../../linux/process/nodeEnvironment.js";
import { SERVER_PROGRAM } from "../../linux/process/programs.js";
import { missingProgram } from "../session/program.js";
import { type FromServer, type ServerReady, STANDBY } from "../session/serverProtocol.js";

/** Called for what a server reports while it serves. */
export interface ServerListener {
  warning(message: string): void;
  damage(message: string): void;
}
const FIRST_FURTHER_FD = 4;

export interface ServerEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The server said that it closed the pool. */
  readonly closed: boolean;
  /** It said that the session is over and the pool stays unclean: another server would find nobody to serve. */
  readonly unclosed: boolean;
  /** Its last message, if any. */
  readonly message: string | null;
  /** Why it cannot serve this pool, or this session. */
  readonly refusal: UserError | null;
  /** Its program could not be loaded, or not all of it: nothing is wrong with the pool, or with servers. */
  readonly unloaded: boolean;
}

export interface ServerProcess {
  readonly pid: number;
  /** Resolves when it serves. Rejects with its own words when it cannot. */
  readonly ready: Promise<ServerReady>;
  /** Of one that was started to stand by: resolves when it does; rejects as `ready`. */
  readonly standsBy: Promise<void>;
  /** Lets a spare server begin to serve. */
  go(): void;
  /** Resolves when the process is gone. */
  readonly ended: Promise<ServerEnd>;
  kill(signal: NodeJS.Signals): void;
}

/** The fds a server inherits beside the session's memory, and the facts with their numbers over there. */
export function inheritance(
  backing: Backing,
  channelFds: readonly number[],
): { readonly fds: readonly number[]; readonly backing: Backing; readonly channelFds: readonly number[] } {
  const poolFds = fdsOf(backing);
  return {
    fds: [...poolFds, ...channelFds],
    backing: withFds(backing, (fd) => FIRST_FURTHER_FD + poolFds.indexOf(fd)),
    channelFds: channelFds.map((_fd, i) => FIRST_FURTHER_FD + poolFds.length + i),
  };
}

export interface ServerStart {
  readonly memoryFd: number;
  readonly furtherFds: readonly number[];
  readonly standby: boolean;
}

export function startServer(start: ServerStart, listener: ServerListener): ServerProcess {
  try {
    return listen(spawnServer(start), listener);
  } catch (error) {
    // ENOMEM is thrown, others are told: to whoever waits it is a server that died at once.
    return deadProcess(error as Error);
  }
}

function spawnServer(start: ServerStart): ChildProcess {
  const child = spawn(
    process.execPath,
    [SMALL_HEAPS, ...nodeArguments(SERVER_PROGRAM), ...(start.standby ? [STANDBY] : [])],
    {
      cwd: "/",
      // Its own session: a Ctrl-C at the terminal is the holder's to answer.
      detached: true,
      stdio: [start.standby ? "pipe" : "ignore", "pipe", "inherit", start.memoryFd, ...start.furtherFds],
      env: nodeEnvironment(),
    },
  );
  // A server that has ended gets no message; its exit tells why.
  child.stdin?.on("error", () => {});
  return child;
}

function deadProcess(error: Error): ServerProcess {
  const end: ServerEnd = { ...NO_END, message: error.message };
  const never = Promise.reject(endError(end));
  never.catch(() => {});
  return { pid: -1, ready: never, standsBy: never, go: () => {}, ended: Promise.resolve(end), kill: () => {} };
}

const NO_END: ServerEnd = {
  exitCode: null,
  signal: null,
  closed: false,
  unclosed: false,
  message: null,
  refusal: null,
  unloaded: false,
};

interface Waiting<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** A promise that may reject without a handler. */
export function waiting<T>(): Waiting<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((toResolve, toReject) => {
    resolve = toResolve;
    reject = toReject;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

function listen(child: ChildProcess, listener: ServerListener): ServerProcess {
  let said: Omit<ServerEnd, "exitCode" | "signal"> = NO_END;
  let isHeard = false;
  const ready = waiting<ServerReady>();
  const standsBy = waiting<void>();
  const hear = (message: FromServer): void => {
    isHeard = true;
    if (message.kind === "ready") ready.resolve(message);
    else if (message.kind === "standby") standsBy.resolve();
    else if (message.kind === "closed") said = { ...said, closed: true };
    else if (message.kind === "warning") listener.warning(message.message);
    else if (message.kind === "damage") listener.damage(message.message);
    else if (message.kind === "refused") {
      const refusal = errorFromBody(message.error);
      said = { ...said, refusal, message: refusal.message };
    } else {
      const { kind } = message;
      said = { ...said, message: message.message, unclosed: kind === "unclosed", unloaded: kind === "unloaded" };
    }
  };
  // It has neither if it could not be started.
  if (child.stdout) createInterface({ input: child.stdout }).on("line", (line) => hear(parseLine(line)));
  const ended = new Promise<ServerEnd>((resolve) => {
    // `close` comes after the last line was read, and after the process is gone.
    child.once("close", (exitCode, signal) => {
      const end: ServerEnd = { ...said, exitCode, signal };
      resolve(isHeard || !exitCode ? end : { ...end, unloaded: true, message: whyUnloaded() });
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      // Also told when a living one cannot be killed.
      if (child.pid !== undefined) return;
      const isGone = error.code === "ENOENT" || error.code === "EACCES";
      resolve({ ...NO_END, unloaded: isGone, message: isGone ? whyUnloaded() : error.message });
    });
  });
  ended.then((end) => {
    const error = endError(end);
    ready.reject(error);
    standsBy.reject(error);
  });
  return {
    pid: child.pid ?? -1,
    ready: ready.promise,
    standsBy: standsBy.promise,
    go: () => void child.stdin?.end("go\n"),
    ended,
    kill: (signal) => child.kill(signal),
  };
}

/** Whoever ends by itself without a word has not come as far as its first line: Node did not find a module. */
function whyUnloaded(): string {
  return missingProgram() ?? `the program cannot be loaded: ${SERVER_PROGRAM}`;
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

/** What a server's end means for whoever waits for it: its own words, where it had any. */
export function endError(end: ServerEnd): UserError {
  return end.refusal ?? new UserError("server", end.message ?? describeEnd(end));
}
