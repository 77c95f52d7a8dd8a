/** A server process that does what a test says. */
import { UserError } from "../../src/base/errors.js";
import { endError, type ServerEnd, type ServerProcess, waiting } from "../../src/daemon/holder/serverProcess.js";
import type { ServerReady } from "../../src/daemon/session/serverProtocol.js";

export const READY: ServerReady = { refused: [], io: "served", ioReason: null, wasUnclean: false };
export const END: ServerEnd = {
  exitCode: null,
  signal: "SIGKILL",
  closed: false,
  unclosed: false,
  message: null,
  refusal: null,
  unloaded: false,
};
export const refusal = (reason: string, cure?: string) =>
  new UserError("server", reason, cure === undefined ? {} : { cure });
export const CLOSED: ServerEnd = { ...END, exitCode: 0, signal: null, closed: true };

/** A server that does what the test says. */
export class FakeServer implements ServerProcess {
  private readonly readiness = waiting<ServerReady>();
  private readonly standing = waiting<void>();
  private readonly ending = waiting<ServerEnd>();
  readonly ready = this.readiness.promise;
  readonly standsBy = this.standing.promise;
  readonly ended = this.ending.promise;
  told = false;

  constructor(
    readonly pid: number,
    readonly isRestart: boolean,
    readonly standby: boolean,
  ) {}

  go(): void {
    this.told = true;
  }

  kill(): void {
    this.end(END);
  }

  serve(): void {
    this.readiness.resolve(READY);
  }

  standBy(): void {
    this.standing.resolve();
  }

  end(end: ServerEnd): void {
    this.ending.resolve(end);
    this.readiness.reject(endError(end));
    this.standing.reject(endError(end));
  }
}
