/** The common log of the holders of root. */
import { readFileSync } from "node:fs";

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly mountpoint?: string;
}

/** The level of errors. */
export const LOG_ERROR = 50;

/** The lines about one mount. */
export function logOf(mountpoint: string): LogLine[] {
  return readFileSync("/run/kmemfs/kmemfs.log", "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as LogLine)
    .filter((line) => line.mountpoint === mountpoint);
}
