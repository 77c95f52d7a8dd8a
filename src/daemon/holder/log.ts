/** The log of a holder: pino, one line of JSON an event. Never on the data path, never on the own disk. */
import { statSync, truncateSync } from "node:fs";
import { pino } from "pino";
import type { Log } from "../../base/ports.js";
import { MIB } from "../../base/units.js";
import { logPath, makeStateDirectory } from "../../mounts/stateDirectory.js";

/** A log in memory must not grow for ever: begun anew above this. */
const LOG_MOST_BYTES = MIB;

/** For a holder in the background: the common log in the state directory; none where that cannot be. */
export function fileLog(debug: boolean): Log {
  makeStateDirectory();
  const path = logPath();
  try {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_MOST_BYTES) truncateSync(path);
    return logTo(path, debug);
  } catch {
    return { info: () => {}, warn: () => {}, error: () => {} };
  }
}

/** For a holder in the foreground: standard error. */
export function stderrLog(debug: boolean): Log {
  return logTo(2, debug);
}

/** A log that cannot be written (a full /run, a terminal that is gone) must not end a mount. */
function logTo(dest: string | number, debug: boolean): Log {
  const destination = pino.destination({ dest, append: true, sync: true, mode: 0o600 });
  destination.on("error", () => {});
  const log = pino({ level: debug ? "debug" : "info" }, destination);
  const quietly = (write: () => void): void => {
    try {
      write();
    } catch {
      // There is nobody left to tell.
    }
  };
  return {
    info: (fields, message) => quietly(() => log.info(fields, message)),
    warn: (fields, message) => quietly(() => log.warn(fields, message)),
    error: (fields, message) => quietly(() => log.error(fields, message)),
  };
}
