/** The log of a holder: one line of JSON per event. Never on the data path, never on its own disk. */
import { openSync, statSync, truncateSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import type { Log } from "../../base/ports.js";
import { MIB } from "../../base/units.js";
import { logPath, makeStateDirectory } from "../../mounts/stateDirectory.js";

/** A log in memory is truncated at this size. */
const LOG_MOST_BYTES = MIB;

/** The level numbers of pino and bunyan. */
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

/** A reader that is slow, of a pipe that does not block, gets so many tries to take a line. */
const MOST_TRIES = 20;
const TRY_MS = 5;

/** Writes all of `text`, or as much of it as can be written. @throws Error */
function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text);
  for (let tries = 0; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || ++tries > MOST_TRIES) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TRY_MS);
    }
  }
}

/** @param fd a file, or 2 for a holder in the foreground */
export function logTo(fd: number): Log {
  let isTorn = false;
  const common = { pid: process.pid, hostname: hostname() };
  const write = (level: keyof typeof LEVELS) => (fields: object, msg: string) => {
    const line = { level: LEVELS[level], time: Date.now(), ...common, ...fields, msg };
    try {
      // A partly written line must not corrupt the next one.
      writeAll(fd, `${isTorn ? "\n" : ""}${JSON.stringify(line)}\n`);
      isTorn = false;
    } catch {
      isTorn = true;
      // A log that cannot be written (a full /run, a terminal that is gone) must not end a mount.
    }
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}
