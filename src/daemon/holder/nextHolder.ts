/**
 * What happens when a holder fails to take over a session. If it exits, its disk has
 * ended, and the service manager drops the fds it kept; if it is killed, the manager
 * starts another, up to its limit (StartLimitBurst=).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { MediaError, UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";

const MAY_PASS = new Set(["EAGAIN", "EINTR", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT"]);
/** Gives a passing cause time to go, yet five attempts fit into StartLimitIntervalSec=. */
const PAUSE_MS = 1_000;

/** True when another holder might succeed; a bug counts as such, as it may not show again. */
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
