/** The log of a holder: pino, one line of JSON an event. Never on the data path, never on the own disk. */
import { statSync, truncateSync } from "node:fs";
import { pino } from "pino";
import type { Log } from "../base/ports.js";
import { MIB } from "../base/units.js";
import { logPath, makeStateDirectory } from "./stateDirectory.js";

/** A log in memory must not grow for ever: begun anew above this. */
const LOG_MOST_BYTES = MIB;

/** For a holder in the background: the common log in the state directory. */
export function fileLog(debug: boolean): Log {
  makeStateDirectory();
  const path = logPath();
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_MOST_BYTES) truncateSync(path);
  return pino(
    { level: debug ? "debug" : "info" },
    pino.destination({ dest: path, append: true, sync: true, mode: 0o600 }),
  );
}

/** For a holder in the foreground: standard error. */
export function stderrLog(debug: boolean): Log {
  return pino({ level: debug ? "debug" : "info" }, pino.destination({ dest: 2, sync: true }));
}
