/** Options that users of mount(8) and tmpfs(5) have: each works, or says why not. */

import { chmodSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { installHelper } from "../support/mountHelper.js";
import { isMounted, type Place, withPlace } from "../support/place.js";
import { type RunResult, run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";
import { USER, userPlace } from "../support/userPlace.js";

const { it } = requires({
  root: true,
  fuse: true,
  commands: ["mount", "findmnt", "fusermount3", "setpriv", "unshare", "nsenter"],
  files: ["/etc/passwd", "/etc/group"],
});

/** By the helper of mount(8). @returns the directory */
async function mounted(place: Place, options: string): Promise<string> {
  installHelper(place);
  const directory = place.makeDirectory("disk");
  place.endsWithUs(directory);
  await run("mount", ["-t", "fuse.kmemfs", "none", directory, "-o", options]);
  return directory;
}

const ownerOf = async (path: string): Promise<string> => (await run("stat", ["-c", "%u %g %a", path])).stdout.trim();

/** Writes to `file` as a user of the machine. */
const writeAs = (uid: number, gid: number, file: string): Promise<RunResult> =>
  run(
    "setpriv",
    [
      `--reuid=${uid}`,
      `--regid=${gid}`,
      "--clear-groups",
      "dd",
      "if=/dev/zero",
      `of=${file}`,
      "bs=4k",
      "count=1",
    ].concat(["conv=notrunc", "status=none"]),
    { allowFail: true },
  );

it("what is so anyway is accepted", () =>
  withPlace(async (place) => {
    chmodSync(place.directory, 0o711);
    const directory = await mounted(place, "size=16M,dirsync,silent,nosymfollow,async,nomand,noiversion,allow_root");
    expect(await ownerOf(join(directory, "disk"))).toBe("0 0 600");
    expect((await writeAs(USER, USER, join(directory, "disk"))).stderr).toMatch(/Permission denied/);
  }));

it("what cannot be kept is refused with its reason", () =>
  withPlace(async (place) => {
    installHelper(place);
    const directory = place.makeDirectory("disk");
    for (const [option, reason] of [
      ["sync", /up to the file system on the disk/],
      ["mand", /no mandatory locks since 5\.15/],
      ["iversion", /without versions/],
    ] as const) {
      const args = ["-t", "fuse.kmemfs", "none", directory, "-o", `size=16M,${option}`];
      const { status, stderr } = await run("mount", args, { allowFail: true });
      expect([status, stderr]).toEqual([1, expect.stringMatching(/^kmemfs: -o .*\ntry: .*\n$/)]);
      expect(stderr).toMatch(reason);
    }
    expect(isMounted(directory)).toBe(false);
  }));

it("uid, gid and mode are those of the file, and outlive a server", () =>
  withPlace(async (place) => {
    chmodSync(place.directory, 0o711);
    const directory = await mounted(place, "size=16M,uid=nobody,gid=1,mode=0660");
    const file = join(directory, "disk");
    for (const restarts of [0, 1]) {
      if (restarts > 0) await place.kmemfs(["restart", directory]);
      expect(await ownerOf(file)).toBe(`${USER} 1 660`);
      expect(await ownerOf(directory)).toBe(`${USER} 1 770`);
      expect(await writeAs(USER, USER, file)).toMatchObject({ status: 0, stderr: "" });
      expect(await writeAs(2, 1, file)).toMatchObject({ status: 0, stderr: "" });
      expect((await writeAs(2, 2, file)).stderr).toMatch(/Permission denied/);
    }
  }));

it("fsname is the source, and a percentage one of the machine's memory", () =>
  withPlace(async (place) => {
    const directory = await mounted(place, "fsname=scratch,size=10%,max-size=50%");
    expect((await run("findmnt", ["-n", "-o", "SOURCE", directory])).stdout).toBe("scratch\n");
    const status = await statusOf(directory);
    const pages = (percent: number): number => Math.floor(((totalmem() / 100) * percent) / 4096) * 4096;
    expect(status).toMatchObject({ sizeBytes: pages(10), maxSizeBytes: pages(50) });
    const other = await place.mount({ name: "other", size: "1%" });
    expect((await other.status()).sizeBytes).toBe(pages(1));
  }));

it("nonempty hides what is in the directory", () =>
  withPlace(async (place) => {
    writeFileSync(join(place.makeDirectory("disk"), "hidden"), "");
    const directory = await mounted(place, "size=16M,nonempty");
    expect((await run("ls", ["-A", directory])).stdout).toBe("disk\n");
    await run("umount", [directory]);
    expect((await run("ls", ["-A", directory])).stdout).toBe("hidden\n");
    await place.expectNothingLeft();
  }));

it("a user names himself, and nobody else", () =>
  withPlace(async (place) => {
    const { directory, user } = await userPlace(place);
    const mount = (options: string): Promise<RunResult> =>
      user([process.execPath, kmemfsProgram, "mount", directory, "-o", `size=16M,${options}`], { allowFail: true });
    for (const [option, status] of [
      ["uid=0", 1],
      ["gid=0", 1],
      ["allow_root", 2],
    ] as const) {
      expect(await mount(option)).toMatchObject({
        status,
        stderr: expect.stringMatching(/^kmemfs: .*\ntry: .*\n$/),
      });
    }
    expect(await mount(`uid=${USER},gid=nogroup,mode=0640`)).toMatchObject({ status: 0, stderr: "" });
    const { stdout } = await user(["stat", "-c", "%u %g %a", join(directory, "disk")]);
    expect(stdout).toBe(`${USER} ${USER} 640\n`);
    await user([process.execPath, kmemfsProgram, "unmount", directory]);
  }));
