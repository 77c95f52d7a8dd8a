/** The account is what the backing really holds, for every kind of pool, after every kind of change. */
import { expect } from "vitest";
import { someOf } from "../support/longForm.js";
import { withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { describe, it } = requires({ root: true, fuse: true, commands: ["xfs_io", "fallocate"] });

const MIB = 2 ** 20;
const kinds = ["tmpfs", "file on tmpfs", "memfd", "directory on tmpfs"] as const;

describe("the account equals the backing's memory", () => {
  for (const kind of someOf(kinds, 2)) {
    it(`on a pool of kind ${kind}`, () =>
      withPlace(async (place) => {
        const pool = kind.includes(" ") ? `${await place.tmpfs("256M")}/pool` : kind;
        if (kind === "directory on tmpfs") await place.kmemfs(["format", "--split", pool, "--size", "64M"]);
        if (kind === "file on tmpfs") await place.kmemfs(["format", pool, "--size", "64M"]);
        const disk = await place.mount({ pool, ...(kind.includes(" ") ? {} : { size: "64M" }) });
        expect((await disk.expectAccount()).usedBytes).toBe(0);

        await disk.io("pwrite -q -S 0x5a -b 1m 0 32m");
        expect((await disk.expectAccount()).usedBytes).toBe(32 * MIB);

        await disk.io("pwrite -q -S 1 33m 1", "pwrite -q -S 2 34603007 2");
        expect((await disk.expectAccount()).usedBytes).toBe(32 * MIB + 2 * 4096);

        await run("fallocate", ["-p", "-o", "1", "-l", `${16 * MIB}`, disk.file]);
        // The first and the last block hold bytes outside of the range.
        expect((await disk.expectAccount()).usedBytes).toBe(16 * MIB + 3 * 4096);

        await run("fallocate", ["-z", "-o", `${24 * MIB}`, "-l", `${8 * MIB}`, disk.file]);
        expect((await disk.expectAccount()).usedBytes).toBe(8 * MIB + 3 * 4096);

        await run("fallocate", ["-o", `${40 * MIB}`, "-l", `${4 * MIB}`, disk.file]);
        expect((await disk.expectAccount()).usedBytes).toBe(12 * MIB + 3 * 4096);

        await place.kmemfs(["resize", disk.directory, "4096", "--force"]);
        await disk.io("truncate 64m");
        expect((await disk.expectAccount()).usedBytes).toBe(4096);

        await run("fallocate", ["-p", "-o", "0", "-l", `${64 * MIB}`, disk.file]);
        const end = await disk.expectAccount();
        expect(end.usedBytes).toBe(0);
        expect(end.discardedBytesTotal).toBeGreaterThan(0);
        expect(end.peakBytes).toBe(32 * MIB + 2 * 4096);
      }));
  }
});
