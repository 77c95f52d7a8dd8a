/** A mount in the foreground. */
import type { ServiceEnvironment } from "../../linux/process/notify.js";
import type { AskedOptions } from "../../mounts/options.js";
import { runHolder } from "./holder.js";
import { stderrLog } from "./log.js";

/**
 * Runs the mount in this process until it ends.
 * @param service what the service manager started us with
 * @returns the exit code
 * @throws UserError
 */
export async function runForeground(asked: AskedOptions, service: ServiceEnvironment): Promise<number> {
  return runHolder(asked, stderrLog(), { ready: () => {} }, service);
}
