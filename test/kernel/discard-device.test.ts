/** Discards on a loop device give the memory back to the machine, and read as zeros. */
import { expect } from "vitest";
import { withDisk } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["blkdiscard", "cmp"],
  freeMemoryBytes: 2 ** 30,
});

const MIB = 2 ** 20;
const BACK_MS = 60_000;

for (const way of [[], ["-z"]]) {
  const line = ["blkdiscard", ...way].join(" ");
  it(line, () =>
    withDisk({ size: "256M" }, async (disk) => {
      const device = await disk.loop();
      await run("dd", ["if=/dev/urandom", `of=${device}`, "bs=1M", "count=256", "oflag=direct", "status=none"]);
      const full = await disk.expectAccount();
      expect(full.usedBytes).toBe(256 * MIB);
      expect(await disk.realBytes(full)).toBeGreaterThanOrEqual(256 * MIB);

      await run("blkdiscard", [...way, device]);
      // What the kernel counts as the memory of the pool's file: other processes have no part in it.
      const given = async (): Promise<boolean> => (await disk.realBytes(full)) <= full.metadataBytes;
      await until(given, BACK_MS, "the memory to be back with the machine");
      const after = await disk.expectAccount();
      expect(after.usedBytes).toBe(0);
      expect(after.discardedBytesTotal - full.discardedBytesTotal).toBe(256 * MIB);
      await run("cmp", ["-n", `${256 * MIB}`, device, "/dev/zero"]);
    }),
  );
}

it("blkdiscard of a part leaves the rest", () =>
  withDisk({ size: "64M" }, async (disk) => {
    const device = await disk.loop();
    await disk.io("pwrite -q -S 0x77 -b 1m 0 64m");
    await run("blkdiscard", ["-o", `${8 * MIB}`, "-l", `${16 * MIB}`, device]);
    const map = await disk.io("seek -a -r 0");
    expect(map.match(/\d+/g)?.map(Number)).toEqual([0, 8 * MIB, 24 * MIB, 64 * MIB]);
    expect((await disk.expectAccount()).usedBytes).toBe(48 * MIB);
  }));
