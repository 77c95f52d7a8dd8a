/** What users of mount(8), fstab(5) and tmpfs(5) are used to holds for a mount of kmemfs too. */
import { lstatSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["mount", "umount", "findmnt"] });

const HELPER = "/sbin/mount.fuse.kmemfs";

/** Installs the helper for one test; one that is there already must be ours. */
function installHelper(place: Place): void {
  if (lstatSync(HELPER, { throwIfNoEntry: false }) !== undefined) return;
  symlinkSync(kmemfsProgram, HELPER);
  place.cleanup.add(HELPER, () => rmSync(HELPER, { force: true }));
}

/** A field of mountinfo's line, as findmnt(8) shows it. */
async function shown(directory: string, field: string): Promise<string> {
  return (await run("findmnt", ["-n", "-o", field, "--mountpoint", directory])).stdout.trim();
}

it("mount -a knows its lines again", () =>
  withPlace(async (place) => {
    installHelper(place);
    const pool = place.path("pool");
    const sources = ["none", "tmpfs", "memfd", pool];
    const directories = sources.map((_source, i) => place.makeDirectory(`disk${i}`));
    const fstab = place.path("fstab");
    const lines = sources.map((source, i) => `${source} ${directories[i]} fuse.kmemfs size=16M,create 0 0\n`);
    writeFileSync(fstab, lines.join(""));
    for (const directory of directories) place.endsWithUs(directory);
    for (let round = 0; round < 2; round++) await run("mount", ["-a", "-T", fstab]);
    for (const [i, directory] of directories.entries()) {
      // One line: it was mounted once.
      expect(await shown(directory, "SOURCE")).toBe(sources[i]);
      await run("umount", [directory]);
    }
    await place.expectNothingLeft();
  }));
