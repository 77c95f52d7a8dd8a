/** Rehome brings misplaced pools back to direct mode, their bytes unchanged, also when it is killed on the way. */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { someOf } from "../support/longForm.js";
import { type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { Random, seedOfRun } from "../support/random.js";
import { expectRefused } from "../support/refusal.js";
import { requires } from "../support/requires.js";
import { shufflePool } from "../support/shufflePool.js";

const { it } = requires({ root: true, fuse: true, kernel: "6.9", commands: ["xfs_io", "fallocate"] });
const { it: itWithStrace } = requires({ root: true, fuse: true, kernel: "6.9", commands: ["xfs_io", "strace"] });

const seed = seedOfRun();
const KILLED = 128 + 9;
const USED_BYTES = 32 * 2 ** 20;
/** The blocks in which a disk's file system notes the pieces of a file are the file's too. */
const FILE_SYSTEM_BYTES = 2 ** 20;

/** The I/O mode, after a look at what the pool really holds. */
async function ioWithAccount(disk: Disk, where: "disk" | "tmpfs"): Promise<string> {
  if (where === "tmpfs") {
    const { io, usedBytes } = await disk.expectAccount();
    expect(usedBytes).toBe(USED_BYTES);
    return io;
  }
  const status = await disk.quiet();
  const over = (await disk.realBytes(status)) - USED_BYTES - status.metadataBytes;
  expect(over).toBeGreaterThanOrEqual(0);
  expect(over).toBeLessThan(FILE_SYSTEM_BYTES);
  return status.io;
}

async function formatPool(place: Place, where: "disk" | "tmpfs", ...args: readonly string[]): Promise<string> {
  const parent = where === "tmpfs" ? await place.tmpfs("256M") : place.makeDirectory("srv");
  await place.kmemfs(["format", `${parent}/pool`, ...args]);
  return `${parent}/pool`;
}

/** Writes random data to a half of a 64 MiB disk. @returns its sum */
async function fillHalf(place: Place, pool: string): Promise<string> {
  const disk = await place.mount({ pool, args: ["--io", "served"] });
  for (const at of [0, 20, 60]) {
    await run("dd", ["if=/dev/urandom", `of=${disk.file}`, "bs=1M", `seek=${at}`, "count=4", "conv=notrunc,fsync"]);
  }
  await disk.io("pwrite -q -S 0x61 -b 1m 30m 20m", "fsync");
  const sum = await disk.sum();
  await disk.unmount();
  return sum;
}

it("a served pool on a disk misplaces what is rewritten; rehome makes it direct", () =>
  withPlace(async (place) => {
    const pool = await formatPool(place, "disk", "--split", "--size", "64M");
    const disk = await place.mount({ pool, args: ["--io", "served"] });
    // What is discarded stays in limbo until it is on the media: half a second at most, so not all may be misplaced.
    await disk.io("pwrite -q -b 1m -S 0x41 0 8m", "fpunch 0 8m", "pwrite -q -b 1m -S 0x42 0 8m");
    await disk.io("pwrite -q -S 0x43 40m 1m");
    const sum = await disk.sum();
    const busy = await place.refused(["rehome", pool]);
    expect([busy.status, busy.stderr]).toEqual([1, expect.stringMatching(/in use by .*\(EBUSY\)\ntry: /)]);
    await disk.unmount();

    const served = await place.mount({ pool, args: ["--io", "auto"] });
    const { io, ioReason } = await served.status();
    const away = Number(/^(\d+) blocks/.exec(ioReason ?? "")?.[1] ?? "0");
    expect(away).toBeGreaterThan(0);
    expect([io, ioReason]).toEqual([
      "served",
      `${away} blocks are not on their home pages; kmemfs rehome ${pool} moves them`,
    ]);
    expect(await served.sum()).toBe(sum);
    await served.unmount();
    await expectRefused(place, {
      args: ["mount", pool, served.directory, "--io", "direct"],
      cause: new RegExp(`${away} blocks are not on their home pages \\(EOPNOTSUPP\\)$`),
      cure: /kmemfs rehome /,
    });

    const { stdout } = await place.kmemfs(["rehome", pool]);
    expect(stdout).toBe(`${pool}: ${away} blocks were moved, all are on their home pages\n`);
    const direct = await place.mount({ pool, args: ["--io", "auto"] });
    const after = await direct.expectAccount();
    expect([after.io, after.ioReason, after.usedBytes]).toEqual(["direct", null, 9 * 2 ** 20]);
    expect(await direct.sum()).toBe(sum);
    await direct.unmount();
    await place.kmemfs(["check", pool]);
    expect((await place.kmemfs(["rehome", pool])).stdout).toBe(
      `${pool}: no block was moved, all are on their home pages\n`,
    );
  }));

// A directory on a disk comes home below, at last.
const shuffled = [
  ["a file on tmpfs", "tmpfs", []],
  ["a directory on tmpfs", "tmpfs", ["--split"]],
  ["a directory", "disk", ["--split"]],
  ["a file", "disk", []],
] as const;
for (const [name, where, layout] of someOf(shuffled, 1)) {
  it(`a pool shuffled at random comes home: ${name} (KMEMFS_SEED=${seed})`, () =>
    withPlace(async (place) => {
      const pool = await formatPool(place, where, ...layout, "--size", "64M");
      const sum = await fillHalf(place, pool);
      expect(await shufflePool(pool, new Random(seed))).toBe(32 * 256);
      await place.kmemfs(["check", pool]);
      await place.kmemfs(["rehome", pool]);
      const { stdout } = await place.kmemfs(["check", pool]);
      expect(stdout).toMatch(/: clean, 32\.0 MiB used, no errors/);
      const disk = await place.mount({ pool, args: ["--io", "auto"] });
      expect(await ioWithAccount(disk, where)).toBe(layout.length > 0 ? "direct" : "served");
      expect(await disk.sum()).toBe(sum);
      await disk.unmount();
    }));
}

it("a thin pool with blocks beyond its pages says what stays", () =>
  withPlace(async (place) => {
    const pool = await formatPool(place, "tmpfs", "--split", "--size", "64M", "--pool-size", "16M");
    const disk = await place.mount({ pool, args: ["--io", "served"] });
    await disk.io("pwrite -q -S 0x41 60m 1m", "pwrite -q -S 0x42 0 2m");
    const sum = await disk.sum();
    await disk.unmount();
    const { status, stdout } = await place.refused(["rehome", pool]);
    expect([status, stdout.split("\n")]).toEqual([
      1,
      [
        expect.stringMatching(/: (\d+ blocks were|no block was) moved, \d+ are not on their home pages$/),
        expect.stringMatching(/^256 blocks are beyond the size of the pool, with no home page/),
        expect.stringMatching(/^the pool is thin/),
        "",
      ],
    ]);
    const again = await place.mount({ pool, args: ["--io", "auto"] });
    expect(await again.sum()).toBe(sum);
    await again.unmount();
  }));

it("a damaged pool is refused and stays as it is", () =>
  withPlace(async (place) => {
    const pool = await formatPool(place, "disk", "--size", "1M");
    await run("sh", [
      "-c",
      `printf '\\377\\377\\377\\177' | dd of=${pool} bs=1 seek=$((4096+8)) conv=notrunc status=none`,
    ]);
    const before = (await run("sha256sum", [pool])).stdout;
    await expectRefused(place, { args: ["rehome", pool], cause: /is damaged: .*block 1/, cure: /kmemfs check/ });
    expect((await run("sha256sum", [pool])).stdout).toBe(before);
  }));

itWithStrace(`killed at any system call it goes on where it was (KMEMFS_SEED=${seed})`, () =>
  withPlace(async (place) => {
    const random = new Random(seed);
    const pool = await formatPool(place, "disk", "--split", "--size", "64M");
    const sum = await fillHalf(place, pool);
    await shufflePool(pool, random);
    /** Which call of which kind it dies at. */
    const rehomeKilledAt = async (call: string, number: number): Promise<number> => {
      const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${number}`];
      const command = [process.execPath, kmemfsProgram, "rehome", pool];
      return (await run("strace", ["-o", "/dev/null", ...inject, ...command], { allowFail: true })).status;
    };
    // Low enough that not all is done before the last.
    const deaths: (readonly [string, number])[] = [
      ["pwritev", 1 + random.below(4000)],
      ["fdatasync", 3 + random.below(4)],
      ["fallocate", 1 + random.below(1000)],
      ["pwritev", 1 + random.below(1000)],
      ["fdatasync", 1 + random.below(8)],
    ];
    for (const [call, number] of someOf(deaths, 2)) {
      expect(await rehomeKilledAt(call, number), `${call} ${number}`).toBe(KILLED);
      expect((await place.kmemfs(["check", pool])).stdout, `${call} ${number}`).toMatch(/no errors/);
      const reader = await place.mount({ pool, args: ["--io", "served", "--read-only"] });
      expect(await reader.sum(), `${call} ${number}`).toBe(sum);
      await reader.unmount();
    }
    await place.kmemfs(["rehome", pool]);
    expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: clean, 32\.0 MiB used, no errors/);
    const disk = await place.mount({ pool, args: ["--io", "direct"] });
    expect(await ioWithAccount(disk, "disk")).toBe("direct");
    expect(await disk.sum()).toBe(sum);
    await disk.unmount();
  }),
);
