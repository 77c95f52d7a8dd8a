/**
 * What becomes of a holder that fails to go on with a session. One that exits has
 * ended its disk, and the service manager drops what it kept; one that is killed
 * is followed by another, as often as the manager bears with (StartLimitBurst=).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { MediaError, UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";

const MAY_PASS = new Set(["EAGAIN", "EINTR", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT"]);
/** What passes takes its time; still short enough for StartLimitIntervalSec= to see five of us. */
const PAUSE_MS = 1_000;

/** True when another holder may get further than we did; a bug counts as such, as when it shows later. */
export function mayPass(error: unknown): boolean {
  if (error instanceof UserError) return MAY_PASS.has(error.options.code ?? "");
  return !(error instanceof MediaError);
}

/** Ends this process so that the service manager keeps the session's fds and starts the next one. */
export async function leaveToNext(error: unknown, log: Log): Promise<never> {
  const why = error instanceof UserError ? error.message : error instanceof Error ? error.stack : String(error);
  log.error({ error: why }, "cannot resume now; the next holder will retry");
  await sleep(PAUSE_MS);
  process.kill(process.pid, "SIGKILL");
  return new Promise<never>(() => {});
}
