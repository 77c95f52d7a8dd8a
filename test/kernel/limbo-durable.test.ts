/** What is discarded on a durable pool comes back by itself, though nobody flushes. */
import { statSync } from "node:fs";
import { expect } from "vitest";
import { type Place, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { describe, it } = requires({ root: true, fuse: true, loop: true, commands: ["xfs_io", "mkfs.ext4"] });

const MIB = 2 ** 20;
const SECTOR_BYTES = 512;
/** ext4's own blocks that say where the file's are: a hole makes more of them. */
const EXTENT_BYTES = 64 * 1024;
/** Discards, one after the other: the thread that gives pages back goes on doing so. */
const ROUNDS = 3;
const END_MS = 60_000;

/** An ext4 of its own, whose blocks nobody else takes or gives. */
async function ext4(place: Place): Promise<string> {
  const image = place.path("image");
  await run("truncate", ["-s", "128M", image]);
  const device = await place.loop(image);
  await place.makeFileSystem("ext4", device);
  return place.mountFileSystem("ext4", device);
}

describe("memory comes back after a discard, without a flush", () => {
  for (const layout of ["one file", "a directory"] as const) {
    it(`${layout} on ext4`, () =>
      withPlace(async (place) => {
        const pool = `${await ext4(place)}/pool`;
        const split = layout === "a directory" ? ["--split"] : [];
        await place.kmemfs(["format", pool, ...split, "--size", "32M"]);
        const disk = await place.mount({ pool });
        const { io, pool: facts } = await disk.status();
        expect([io, facts.durable]).toEqual([split.length > 0 ? testedIo : "served", true]);
        const data = split.length > 0 ? `${pool}/data` : pool;
        const heldBytes = (): number => statSync(data).blocks * SECTOR_BYTES;
        for (let round = 0; round < ROUNDS; round++) {
          await disk.io("pwrite -q -S 0x41 -b 1m 4m 24m", "fsync");
          const before = heldBytes();
          expect(before).toBeGreaterThanOrEqual(24 * MIB);
          await disk.io("fpunch 6m 16m");
          await until(() => heldBytes() <= before - 16 * MIB + EXTENT_BYTES, END_MS, "16 MiB to come back");
          await run("cmp", ["-n", `${16 * MIB}`, "-i", `${6 * MIB}:0`, disk.file, "/dev/zero"]);
        }
      }));
  }
});
