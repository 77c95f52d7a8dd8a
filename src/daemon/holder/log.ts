/** The log of a holder: one line of JSON an event. Never on the data path, never on the own disk. */
import { openSync, statSync, truncateSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import type { Log } from "../../base/ports.js";
import { MIB } from "../../base/units.js";
import { logPath, makeStateDirectory } from "../../mounts/stateDirectory.js";

/** A log in memory must not grow for ever: begun anew above this. */
const LOG_MOST_BYTES = MIB;

/** As other programs in Node number them (pino, bunyan). */
const LEVELS = { info: 30, warn: 40, error: 50 };

/** For a holder in the background: the common log in the state directory; none where that cannot be. */
export function fileLog(): Log {
  makeStateDirectory();
  const path = logPath();
  try {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_MOST_BYTES) truncateSync(path);
    return logTo(openSync(path, "a", 0o600));
  } catch {
    return { info: () => {}, warn: () => {}, error: () => {} };
  }
}

/** For a holder in the foreground: standard error. */
export function stderrLog(): Log {
  return logTo(2);
}

function logTo(fd: number): Log {
  const common = { pid: process.pid, hostname: hostname() };
  const write = (level: keyof typeof LEVELS) => (fields: object, msg: string) => {
    const line = { level: LEVELS[level], time: Date.now(), ...common, ...fields, msg };
    try {
      writeSync(fd, `${JSON.stringify(line)}\n`);
    } catch {
      // A log that cannot be written (a full /run, a terminal that is gone) must not end a mount.
    }
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}
