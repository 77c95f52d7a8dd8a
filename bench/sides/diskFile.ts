/** Files that back a disk or stand for one. */
import { closeSync, openSync, statSync, truncateSync, unlinkSync } from "node:fs";
import type { Cleanup } from "../../test/support/cleanup.js";

/** Makes a sparse file that the clean-up removes. */
export function makeFile(path: string, sizeBytes: number, undo: Cleanup): string {
  closeSync(openSync(path, "wx", 0o600));
  undo.add(`file ${path}`, () => unlinkSync(path));
  truncateSync(path, sizeBytes);
  return path;
}

/** True when the file is there and has this size: its server is ready. */
export function fileHasSize(path: string, sizeBytes: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.size === sizeBytes;
}
