/** What fio writes to the file with checksums reads back the same, from eight jobs at once. */
import { expect } from "vitest";
import { fioVerify } from "../support/fio.js";
import { someOf } from "../support/longForm.js";
import { withDisk } from "../support/place.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["fio"], freeMemoryBytes: 2 ** 29 });

for (const ioengine of someOf(["libaio", "psync"] as const, 1)) {
  it(`random 4 KiB writes of 8 jobs with ${ioengine}`, () =>
    withDisk({ size: "128M" }, async (disk) => {
      await fioVerify(disk.file, { rw: "randwrite", ioengine, size: "16m", jobs: 8 });
      const status = await disk.expectAccount();
      expect(status.usedBytes).toBe(2 ** 27);
      // In direct mode the kernel writes without telling.
      expect(status.writtenBytesTotal).toBe(testedIo === "served" ? 2 ** 27 : null);
    }));
}

it("writes of sizes that are no whole blocks", () =>
  withDisk({ size: "64M" }, async (disk) => {
    const args = ["--direct=0", "--bsrange=512-70k", "--blockalign=512"];
    await fioVerify(disk.file, { rw: "randwrite", ioengine: "psync", size: "32m", args });
    await disk.expectAccount();
  }));

it("reads and writes mixed, of 1 MiB", () =>
  withDisk({ pool: "memfd", size: "256M" }, async (disk) => {
    await fioVerify(disk.file, { rw: "randrw", ioengine: "libaio", size: "64m", jobs: 4, blockSize: "1m" });
    await disk.expectAccount();
  }));
