/** The helper that mount(8) calls for the type fuse.kmemfs. */
import { lstatSync, rmSync, symlinkSync } from "node:fs";
import type { Place } from "./place.js";
import { kmemfsProgram } from "./project.js";

const HELPER = "/sbin/mount.fuse.kmemfs";

/** Installs the helper for one test; one that is there already must be ours. */
export function installHelper(place: Place): void {
  if (lstatSync(HELPER, { throwIfNoEntry: false }) !== undefined) return;
  symlinkSync(kmemfsProgram, HELPER);
  place.cleanup.add(HELPER, () => rmSync(HELPER, { force: true }));
}
