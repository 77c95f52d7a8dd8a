/** The common log of the holders of root. */
import { existsSync, readFileSync } from "node:fs";

const LOG = "/run/kmemfs/kmemfs.log";

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly mountpoint?: string;
}

/** The level of errors. */
export const LOG_ERROR = 50;

/** The lines about one mount. */
export function logOf(mountpoint: string): LogLine[] {
  if (!existsSync(LOG)) return [];
  // A line that is being written has no end yet.
  return readFileSync(LOG, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine)
    .filter((line) => line.mountpoint === mountpoint);
}
