/** A holder's end of the control socket. */
import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { errorBody, UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import { makeStateDirectory, removeQuietly } from "../../mounts/stateDirectory.js";
import type { MountStatus } from "../../mounts/status.js";

/** The delay between attempts to open the socket, as /run may be full or read-only for a while. */
const RETRY_MS = 3_000;

export interface ControlActions {
  status(): Promise<MountStatus>;
  /** Begins to end the mount. @throws UserError while it is in use */
  stop(force: boolean): Promise<void>;
  /** Replaces the server. @returns the time without a server, ms. @throws UserError; then the old one keeps serving */
  restart(): Promise<number>;
  /** Serves a disk again whose servers were given up; resolves when it is served. @throws UserError */
  bringBack(): Promise<MountStatus>;
  /** Allows the file to shrink to this size once; null withdraws it. @throws UserError */
  allowShrink(sizeBytes: number | null): void;
}

/** A holder's end of the control socket. */
export class ControlDoor {
  private server: Server | null = null;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(
    private readonly path: string,
    private readonly actions: ControlActions,
  ) {}

  /** @throws UserError or Error when the state directory does not take a socket */
  async open(): Promise<void> {
    makeStateDirectory();
    // One whose mode could not be set.
    this.server?.close();
    // The caller has the name, so what is there is nobody's.
    rmSync(this.path, { force: true });
    const server = createServer((incoming, outgoing) => {
      answer(incoming, this.actions).then(
        (body) => send(outgoing, 200, body),
        (error: unknown) => send(outgoing, error instanceof UserError ? 409 : 500, errorBody(error)),
      );
    });
    this.server = server;
    await once(server.listen(this.path), "listening");
    // A connection that cannot be accepted for want of memory or fds is that caller's loss alone.
    server.on("error", () => {});
    if (this.isClosed) this.close();
    else chmodSync(this.path, 0o600);
  }

  /**
   * As `open`, for a mount that serves already: nobody can ask it anything with
   * a full or read-only /run, but that is no reason to end it.
   */
  async openInTime(log: Log): Promise<void> {
    try {
      await this.open();
    } catch (error) {
      log.warn({ socket: this.path, error: String(error) }, "the control socket cannot be opened; will retry");
      if (!this.isClosed) this.timer = setTimeout(() => void this.openInTime(log), RETRY_MS).unref();
    }
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    if (this.server === null) return;
    this.server.close();
    this.server.closeAllConnections();
    removeQuietly(this.path);
  }
}

async function answer(incoming: IncomingMessage, actions: ControlActions): Promise<object> {
  const route = `${incoming.method} ${incoming.url}`;
  if (route === "GET /status") return actions.status();
  if (route === "POST /stop" || route === "POST /stop?force") {
    await actions.stop(route.endsWith("force"));
    return {};
  }
  if (route === "POST /restart") return { pauseMs: await actions.restart() };
  if (route === "POST /back") return actions.bringBack();
  const resize = /^POST \/resize(?:\?bytes=(\d+))?$/.exec(route);
  if (resize !== null) {
    actions.allowShrink(resize[1] === undefined ? null : Number(resize[1]));
    return {};
  }
  throw new UserError("control", `no such request: ${route}`, { code: "EINVAL" });
}

function send(outgoing: ServerResponse, status: number, body: object): void {
  outgoing.writeHead(status, { "content-type": "application/json", connection: "close" });
  outgoing.end(JSON.stringify(body));
}
