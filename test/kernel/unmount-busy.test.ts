/** unmount and down name what still holds the disk, change nothing then, and --force ends it all the same. */
import { expect } from "vitest";
import { isMounted, withDisk } from "../support/place.js";
import { run, start } from "../support/processes.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";
import { sleeperAfter } from "../support/sleeper.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4"] });

it("a process with the file open, or in the directory", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    const held = await sleeperAfter(place, `exec 9<'${disk.file}'`);
    const inside = await sleeperAfter(place, `cd ${disk.directory}`);
    const result = await place.refused(["unmount", disk.directory]);
    expectRefusal(result, { cause: /in use by .*sleep \(pid \d+, .*\(EBUSY\)$/, cure: /unmount --force/ });
    expect(result.stderr).toContain(`sleep (pid ${held.pid}, `);
    expect(result.stderr).toContain(`sleep (pid ${inside.pid}, ${disk.directory})`);
    expectRefusal(await place.refused(["down", disk.directory]), { cause: /sleep \(pid \d+, .*\(EBUSY\)$/ });
    expect(isMounted(disk.directory)).toBe(true);
    await held.stop();
    await inside.stop();
    await disk.unmount();
    await place.expectNothingLeft();
  }));

it("a loop device, and where it is mounted", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const device = await disk.loop();
    expectRefusal(await place.refused(["unmount", disk.directory]), {
      cause: new RegExp(`${device} is attached to its file.*\\(EBUSY\\)$`),
      cure: /kmemfs down/,
    });
    await place.makeFileSystem("ext4", device);
    const files = await place.mountFileSystem("ext4", device);
    expectRefusal(await place.refused(["unmount", disk.directory]), {
      cause: new RegExp(`${device} is attached to its file, mounted on ${files} \\(EBUSY\\)$`),
      cure: /kmemfs down/,
    });
    const inside = await sleeperAfter(place, `cd ${files}`);
    const down = await place.refused(["down", disk.directory]);
    expectRefusal(down, { cause: /\(EBUSY\)$/ });
    expect(down.stderr).toContain(`sleep (pid ${inside.pid}, ${files})`);
    expect([isMounted(files), place.isAttached(device), isMounted(disk.directory)]).toEqual([true, true, true]);
    await inside.stop();
    await place.kmemfs(["down", files]);
    await place.expectNothingLeft();
  }));

it("a device that a process has open", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    const device = await disk.loop();
    const held = await sleeperAfter(place, `exec 9<${device}`);
    const down = await place.refused(["down", disk.directory]);
    expectRefusal(down, { cause: new RegExp(`${device} is in use by .*sleep \\(pid ${held.pid}, .*\\(EBUSY\\)$`) });
    await held.stop();
    await place.kmemfs(["down", disk.directory]);
    await place.expectNothingLeft();
  }));

it("--force ends a mount in use, and who used it gets errors and not a hang", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    const line = `exec 9<>'${disk.file}'; echo open; while dd bs=4k count=1 <&9 >/dev/null 2>&1; do sleep 0.05; done`;
    const held = start("sh", ["-c", line]);
    place.cleanup.add("reader", () => held.stop());
    await held.waitFor(/open/);
    const isBusy = async (): Promise<boolean> => (await place.refused(["unmount", disk.directory])).status === 1;
    expect(await isBusy()).toBe(true);
    await place.kmemfs(["unmount", "--force", disk.directory]);
    expect(isMounted(disk.directory)).toBe(false);
    await place.expectNothingLeft();
    await held.stop();
    await run("true");
  }));
