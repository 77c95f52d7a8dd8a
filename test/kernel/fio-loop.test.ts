/** What fio writes and discards on a loop device, with checksums, reads back the same. */
import { expect } from "vitest";
import { fioVerify } from "../support/fio.js";
import { someOf } from "../support/longForm.js";
import { withDisk } from "../support/place.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["fio"], freeMemoryBytes: 2 ** 29 });

for (const ioengine of someOf(["libaio", "psync"] as const, 1)) {
  it(`random 4 KiB writes of 8 jobs with ${ioengine}`, () =>
    withDisk({ size: "128M" }, async (disk) => {
      await fioVerify(await disk.loop(), { rw: "randwrite", ioengine, size: "16m", jobs: 8 });
      expect((await disk.expectAccount()).usedBytes).toBe(2 ** 27);
    }));
}

it("each block trimmed, then written", () =>
  withDisk({ size: "128M" }, async (disk) => {
    const device = await disk.loop();
    await fioVerify(device, { rw: "write", ioengine: "libaio", size: "64m", blockSize: "64k" });
    await fioVerify(device, {
      rw: "randtrimwrite",
      ioengine: "libaio",
      size: "64m",
      args: ["--random_generator=tausworthe64"],
    });
    expect((await disk.expectAccount()).discardedBytesTotal).toBeGreaterThanOrEqual(2 ** 25);
  }));
