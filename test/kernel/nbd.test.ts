/** A sparse random disk copied in and out through NBD is the same, bit for bit, and as sparse. */
import { expect } from "vitest";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["nbdkit", "nbdcopy", "nbdinfo"] });

const SIZE_BYTES = 2 ** 28;
/** As a writer gets it, the plugin compares and fails at the first byte that differs. */
const RANDOM = [
  "[",
  "nbdkit",
  "--exit-with-parent",
  "sparse-random",
  `size=${SIZE_BYTES}`,
  "seed=20260101",
  "percent=10",
  "]",
];

function nbdcopy(...args: readonly string[]): Promise<unknown> {
  return run("nbdcopy", args, { timeoutMs: 60_000 });
}

it("the file behind nbdkit file", () =>
  withDisk({ size: `${SIZE_BYTES}` }, async (disk) => {
    const file = ["[", "nbdkit", "--exit-with-parent", "file", disk.file, "]"];
    await nbdcopy("--", ...RANDOM, ...file);
    await nbdcopy("--", ...file, ...RANDOM);
    const { usedBytes } = await disk.expectAccount();
    expect(usedBytes).toBeGreaterThan(SIZE_BYTES * 0.05);
    expect(usedBytes).toBeLessThan(SIZE_BYTES * 0.2);
  }));

it("a loop device, and one flipped byte is found", () =>
  withDisk({ size: `${SIZE_BYTES}` }, async (disk) => {
    const device = await disk.loop();
    await nbdcopy("--", ...RANDOM, device);
    await nbdcopy("--", device, ...RANDOM);
    await disk.expectAccount();
    await disk.io(`pwrite -q -S 0x01 ${SIZE_BYTES / 2 + 4242} 1`);
    await expect(nbdcopy("--", disk.file, ...RANDOM)).rejects.toThrow(/status 1/);
  }));

it("nbdinfo --map shows the real holes", () =>
  withDisk({ size: "64M" }, async (disk) => {
    await disk.io("pwrite -q 4k 4k", "pwrite -q 1m 3m", "fpunch 2m 1m");
    const { stdout } = await run("nbdkit", ["-U", "-", "file", disk.file, "--run", 'nbdinfo --map --json "$uri"']);
    const map = JSON.parse(stdout) as { offset: number; length: number; description: string }[];
    const expected = [
      [0, 4, "hole,zero"],
      [4, 4, "data"],
      [8, 1016, "hole,zero"],
      [1024, 1024, "data"],
      [2048, 1024, "hole,zero"],
      [3072, 1024, "data"],
      [4096, 61440, "hole,zero"],
    ];
    expect(map.map((one) => [one.offset / 1024, one.length / 1024, one.description])).toEqual(expected);
  }));
