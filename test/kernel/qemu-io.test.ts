/** Patterns written, discarded and zeroed through qemu's block layer read back as they must. */
import { expect } from "vitest";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["qemu-io", "qemu-img"] });

const STEPS = [
  "write -P 0xaa 0 8M",
  "read -P 0xaa 0 8M",
  "discard 1M 2M",
  "read -P 0xaa 0 1M",
  "read -P 0 1M 2M",
  "read -P 0xaa 3M 5M",
  "write -z -u 4M 1M",
  "read -P 0 4M 1M",
  "write -z 6M 64k",
  "read -P 0 6M 64k",
  "write -P 0xbb 1536k 4k",
  "read -P 0 1M 512k",
  "read -P 0xbb 1536k 4k",
  "read -P 0 1540k 1M",
  "aio_write -P 0x11 10M 1M",
  "aio_write -P 0x22 11M 1M",
  "aio_flush",
  "read -P 0x11 10M 1M",
  "read -P 0x22 11M 1M",
  "flush",
];

function qemuIo(path: string, steps: readonly string[]): Promise<unknown> {
  const commands = steps.flatMap((step) => ["-c", step]);
  return run("qemu-io", ["-f", "raw", "-t", "none", "-d", "unmap", ...commands, path]);
}

interface Extent {
  readonly start: number;
  readonly length: number;
  readonly data: boolean;
}

const KIB = 1024;
/** Of the steps above, in KiB: start, length. */
const DATA = [
  [0, 1024],
  [1536, 4],
  [3072, 1024],
  [5120, 1024],
  [6208, 1984],
  [10240, 2048],
];

for (const on of ["the file", "a loop device"]) {
  it(`on ${on}`, () =>
    withDisk({ size: "64M" }, async (disk) => {
      await qemuIo(on === "the file" ? disk.file : await disk.loop(), STEPS);
      const { stdout } = await run("qemu-img", ["map", "-f", "raw", "--output=json", disk.file]);
      const extents = (JSON.parse(stdout) as Extent[]).filter((extent) => extent.data);
      expect(extents.map((extent) => [extent.start / KIB, extent.length / KIB])).toEqual(DATA);
      const status = await disk.expectAccount();
      expect(status.usedBytes).toBe(DATA.reduce((sum, [, length = 0]) => sum + length * KIB, 0));
    }));
}

it("a pattern that is wrong is found: the check can fail", () =>
  withDisk({ size: "1M" }, async (disk) => {
    await expect(qemuIo(disk.file, ["write -P 1 0 4k", "read -P 2 0 4k"])).rejects.toThrow(/Pattern verification/);
  }));
