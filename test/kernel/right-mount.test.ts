/** What lies over a disk, or in its place, is somebody else's: no command and no signal acts on it. */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { killBoth } from "../support/killed.js";
import { isMounted, type Place, withDisk, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4"] });

/** The log of the holders in the background. */
const LOG = "/run/kmemfs/kmemfs.log";
const REFUSED_MS = 60_000;

/** How often the end of the disk was refused. */
function refusalsOf(mountpoint: string): number {
  return existsSync(LOG) ? readFileSync(LOG, "utf8").split(`"mountpoint":"${mountpoint}","refused"`).length - 1 : 0;
}

/** A tmpfs of the user's over `directory`, with a file in it. */
async function cover(
  place: Place,
  directory: string,
): Promise<{ readonly isWhole: () => boolean; uncover(): Promise<void> }> {
  await run("mount", ["-t", "tmpfs", "mine", directory]);
  place.cleanup.add(`tmpfs on ${directory}`, () => run("umount", [directory], { allowFail: true }));
  const file = `${directory}/kept`;
  await run("sh", ["-c", `echo mine > ${file}`]);
  const isWhole = (): boolean => existsSync(file) && readFileSync(file, "utf8") === "mine\n";
  return { isWhole, uncover: async () => void (await run("umount", [directory])) };
}

it("unmount, by force too, and down refuse a disk that a tmpfs was mounted over", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const over = await cover(place, disk.directory);
    const cause = new RegExp(`tmpfs \\(mine\\) is mounted over ${disk.directory} \\(EBUSY\\)$`);
    for (const args of [["unmount"], ["unmount", "--force"], ["down"]]) {
      expectRefusal(await place.refused([...args, disk.directory]), { cause });
      expect(over.isWhole()).toBe(true);
    }
    expect((await disk.status()).serverPid).not.toBeNull();
    await over.uncover();
    await disk.unmount();
    await place.expectNothingLeft();
  }));

it("SIGTERM to the holder is refused then, and obeyed once the tmpfs is gone", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const over = await cover(place, disk.directory);
    const { holderPid } = await disk.status();
    const refusals = (): number => refusalsOf(disk.directory);
    process.kill(holderPid, "SIGTERM");
    await until(() => refusals() === 1, REFUSED_MS, "the refusal in the log");
    expect([over.isWhole(), existsSync(`/proc/${holderPid}`)]).toEqual([true, true]);
    expect(readFileSync(LOG, "utf8")).toContain(`tmpfs (mine) is mounted over ${disk.directory}`);
    await over.uncover();
    process.kill(holderPid, "SIGTERM");
    await until(() => !existsSync(`/proc/${holderPid}`), REFUSED_MS, "the holder to end");
    await place.expectNothingLeft();
  }));

it("where a tmpfs lies over the disk's file system or a parent, nothing of it is trimmed, unmounted or lost", () =>
  withPlace(async (place) => {
    const parent = place.makeDirectory("parent");
    const mountpoint = place.makeDirectory("parent/up");
    place.endsWithUs(mountpoint);
    await place.kmemfs(["up", mountpoint, "--size", "64M"]);
    for (const directory of [mountpoint, parent]) {
      const over = await cover(place, directory);
      for (const command of ["trim", "down"]) {
        const refused = await place.refused([command, mountpoint]);
        expectRefusal(refused, { cause: /tmpfs \(mine\).* \(EBUSY\)$/ });
        expect(refused.stderr).toContain(directory);
        expect(over.isWhole()).toBe(true);
      }
      await over.uncover();
    }
    await place.kmemfs(["trim", mountpoint]);
    await place.kmemfs(["down", mountpoint]);
    await place.expectNothingLeft();
  }));

it("SIGTERM is refused while the disk's file system is hidden: what was written to it would be lost", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const parent = place.makeDirectory("parent");
    const mountpoint = place.makeDirectory("parent/up");
    place.endsWithUs(mountpoint);
    await place.kmemfs(["up", mountpoint, "--pool", pool, "--create", "--size", "64M"]);
    const { holderPid } = await statusOf(mountpoint);
    const other = place.makeDirectory("other");
    for (const [how, directory] of [
      [["-t", "tmpfs", "mine"], parent],
      [["-t", "tmpfs", "mine"], mountpoint],
      [["--bind", other], mountpoint],
    ] as const) {
      await run("sh", ["-c", `echo kept > ${mountpoint}/kept`]);
      await run("mount", [...how, directory]);
      const undo = (): Promise<unknown> => run("umount", [directory], { allowFail: true });
      place.cleanup.add(`mount on ${directory}`, undo);
      const refusals = (): number => refusalsOf(mountpoint);
      const before = refusals();
      process.kill(holderPid, "SIGTERM");
      await until(() => refusals() > before || !existsSync(`/proc/${holderPid}`), REFUSED_MS, "the refusal in the log");
      expect(existsSync(`/proc/${holderPid}`), how.join(" ")).toBe(true);
      await run("umount", [directory]);
      expect((await run("cat", [`${mountpoint}/kept`])).stdout).toBe("kept\n");
    }
    process.kill(holderPid, "SIGTERM");
    await until(() => !existsSync(`/proc/${holderPid}`), REFUSED_MS, "the holder to end");
    await place.kmemfs(["up", mountpoint, "--pool", pool]);
    expect((await run("cat", [`${mountpoint}/kept`])).stdout).toBe("kept\n");
    await place.kmemfs(["down", mountpoint]);
    await place.expectNothingLeft();
  }));

it("a tmpfs that is called like the disk's loop device is nobody's: down neither takes it nor is refused by it", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    place.endsWithUs(mountpoint);
    await place.kmemfs(["up", mountpoint, "--size", "64M"]);
    const [device] = (await statusOf(mountpoint)).loopDevices;
    const directory = place.makeDirectory("foreign");
    await run("mount", ["-t", "tmpfs", device, directory]);
    place.cleanup.add(directory, () => place.umount(directory));
    await run("sh", ["-c", `echo mine > ${directory}/kept`]);
    for (const command of ["trim", "down"]) {
      expectRefusal(await place.refused([command, directory]), { cause: /not a kmemfs disk \(ENOENT\)$/ });
    }
    await place.kmemfs(["down", mountpoint]);
    expect([isMounted(mountpoint), isMounted(directory)]).toEqual([false, true]);
    expect(readFileSync(`${directory}/kept`, "utf8")).toBe("mine\n");
    await place.umount(directory);
    await place.expectNothingLeft();
  }));

it("recover leaves a dead disk that something was mounted over, and says what", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const { holderPid, serverPid } = await disk.status();
    await killBoth({ holderPid, serverPid });
    await until(() => !existsSync(`/proc/${holderPid}`), REFUSED_MS, "the holder to be gone");
    const over = await cover(place, disk.directory);
    const { stdout } = await place.kmemfs(["recover", disk.directory]);
    expect(stdout).toContain("is hidden by a tmpfs mount");
    expect(over.isWhole()).toBe(true);
    await over.uncover();
    await place.kmemfs(["recover", disk.directory]);
    expect(isMounted(disk.directory)).toBe(false);
    await place.expectNothingLeft();
  }));
