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

it("owner, mode, name and share of the memory, over a directory that is not empty", () =>
  withPlace(async (place) => {
    installHelper(place);
    const directory = place.makeDirectory("disk");
    writeFileSync(`${directory}/hidden`, "");
    place.endsWithUs(directory);
    const mount = (options: string) =>
      run("mount", ["-t", "fuse.kmemfs", "none", directory, "-o", options], { allowFail: true });
    expect((await mount("size=16M")).stderr).toMatch(
      /not empty \(ENOTEMPTY\)\ntry: an empty directory, or -o nonempty/,
    );
    expect((await mount("sync,nonempty")).stderr).toMatch(/^kmemfs: -o sync: the file system on the disk decides that/);
    const wishes =
      "nonempty,size=1%,uid=nobody,gid=65533,mode=0640,fsname=scratch,dirsync,nosymfollow,silent,allow_root";
    const { status, stderr } = await mount(wishes);
    expect([status, stderr]).toEqual([0, ""]);
    expect(await shown(directory, "SOURCE")).toBe("scratch");
    const owner = async () => (await run("stat", ["-c", "%u:%g %a", `${directory}/disk`])).stdout.trim();
    expect(await owner()).toBe("65534:65533 640");
    const { mounts } = JSON.parse((await place.kmemfs(["status", directory, "-J"])).stdout);
    expect(mounts[0].sizeBytes).toBeGreaterThan(0);
    // It is reached by its owner, and written to; others only see that it is there.
    await run("chmod", ["755", place.directory]);
    const as = (uid: number, of: string) =>
      run(
        "setpriv",
        [
          `--reuid=${uid}`,
          `--regid=${uid}`,
          "--clear-groups",
          "dd",
          `of=${of}`,
          "if=/dev/zero",
          "bs=4k",
          "count=1",
          "conv=notrunc",
          "status=none",
        ],
        { allowFail: true },
      );
    expect((await as(65534, `${directory}/disk`)).stderr).toBe("");
    expect((await as(65532, `${directory}/disk`)).stderr).toMatch(/Permission denied/);
    // Another server, where the kernel can have one.
    await place.kmemfs(["restart", directory], { allowFail: true });
    expect(await owner()).toBe("65534:65533 640");
    await run("umount", [directory]);
    await place.expectNothingLeft();
  }));
