/** A pool that has a path keeps its bytes, its holes and its account from one mount to the next. */
import { statSync } from "node:fs";
import { expect } from "vitest";
import { someOf } from "../support/longForm.js";
import { type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { describe, it } = requires({ root: true, fuse: true, commands: ["xfs_io"] });

const MIB = 2 ** 20;

interface Kind {
  readonly name: string;
  readonly split: boolean;
  readonly where: "disk" | "tmpfs";
}

const kinds: readonly Kind[] = [
  { name: "a file", split: false, where: "disk" },
  { name: "a directory on tmpfs", split: true, where: "tmpfs" },
  { name: "a directory", split: true, where: "disk" },
  { name: "a file on tmpfs", split: false, where: "tmpfs" },
];

async function makePool(place: Place, kind: Kind, ...args: readonly string[]): Promise<string> {
  const parent = kind.where === "tmpfs" ? await place.tmpfs("256M") : place.makeDirectory("srv");
  const pool = `${parent}/pool`;
  await place.kmemfs(["format", pool, ...(kind.split ? ["--split"] : []), ...args]);
  return pool;
}

describe("bytes, holes and account are the same after unmount and mount", () => {
  for (const kind of someOf(kinds, 2)) {
    it(kind.name, () =>
      withPlace(async (place) => {
        const pool = await makePool(place, kind, "--size", "64M", "--label", "kept");
        const disk = await place.mount({ pool });
        await disk.io("pwrite -q -S 0x31 5m 3m", "pwrite -q -S 0x32 12345 77777", "pwrite -q 63m 1m", "fpunch 6m 1m");
        const before = await disk.quiet();
        const [sum, map] = [await disk.sum(), await disk.io("seek -a -r 0")];
        await disk.unmount();
        await place.kmemfs(["check", pool]);

        const again = await place.mount({ pool });
        const after = await again.quiet();
        // Direct mode writes the index when it closes the pool: 4 of its pages here.
        const indexBytes = before.io === "direct" ? 4 * 4096 : 0;
        expect([after.usedBytes, after.metadataBytes, after.pool]).toEqual([
          before.usedBytes,
          before.metadataBytes + indexBytes,
          { ...before.pool, label: "kept", durable: kind.where === "disk" },
        ]);
        expect(await again.sum()).toBe(sum);
        expect(await again.io("seek -a -r 0")).toBe(map);
        await again.io("fpunch 0 64m", "pwrite -q -S 0x33 1m 1m");
        expect((await again.quiet()).usedBytes).toBe(MIB);
        await again.unmount();
        await place.kmemfs(["check", pool]);
      }),
    );
  }
});

it("--create makes the pool at the first mount and finds it at the second", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const disk = await place.mount({ pool, size: "16M", args: ["--create"] });
    expect(statSync(pool).mode & 0o777).toBe(0o600);
    await disk.io("pwrite -q -S 0x41 1m 1m");
    const sum = await disk.sum();
    await disk.unmount();
    const again = await place.mount({ pool, args: ["--create"] });
    expect(await again.sum()).toBe(sum);
  }));

it("--read-only gives the bytes, refuses writes and leaves the pool as it is", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const disk = await place.mount({ pool, size: "16M", args: ["--create"] });
    await disk.io("pwrite -q -S 0x41 1m 1m");
    const sum = await disk.sum();
    await disk.unmount();
    const { stdout } = await run("sha256sum", [pool]);
    const reader = await place.mount({ pool, args: ["--read-only"] });
    expect(await reader.sum()).toBe(sum);
    const { status, stderr } = await run("xfs_io", ["-c", "pwrite 0 4k", reader.file], { allowFail: true });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/Read-only file system/)]);
    await reader.unmount();
    expect((await run("sha256sum", [pool])).stdout).toBe(stdout);
  }));

const onTmpfs = kinds.filter((kind) => kind.where === "tmpfs");
for (const kind of someOf(onTmpfs, 1)) {
  it(`format --full maps every block: ${kind.name}`, () =>
    withPlace(async (place) => {
      const pool = await makePool(place, kind, "--size", "32M", "--full");
      const disk = await place.mount({ pool });
      const full = await disk.expectAccount();
      expect([full.usedBytes, full.freeBytes]).toEqual([32 * MIB, 0]);
      expect(await disk.io("seek -a -r 0")).toBe(`Whence\tResult\nDATA\t0\nHOLE\t${32 * MIB}\n`);
      await run("cmp", ["-n", `${32 * MIB}`, disk.file, "/dev/zero"]);
      await disk.io("pwrite -q -S 0x51 -b 1m 0 32m", "fpunch 0 16m");
      expect((await disk.expectAccount()).usedBytes).toBe(16 * MIB);
    }));
}
