/** A pool whose metadata was changed by someone else is refused with the field, or opened rightly from the other copy. */
import { closeSync, copyFileSync, openSync, readSync, writeSync } from "node:fs";
import { expect } from "vitest";
import { isLongForm } from "../support/longForm.js";
import { withPlace } from "../support/place.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true });

const COPY_BYTES = 2048;

/** Inverts bytes of the file in place. */
function flip(path: string, offsets: readonly number[]): void {
  const fd = openSync(path, "r+");
  const byte = new Uint8Array(1);
  for (const offset of offsets) {
    readSync(fd, byte, 0, 1, offset);
    byte[0] = ~(byte[0] ?? 0);
    writeSync(fd, byte, 0, 1, offset);
  }
  closeSync(fd);
}

it("each byte of the first hundred, in both copies", () =>
  withPlace(async (place) => {
    const good = place.path("good");
    await place.kmemfs(["format", good, "--size", "1M"]);
    const bad = place.path("bad");
    for (let offset = 0; offset < 100; offset += isLongForm ? 9 : 33) {
      copyFileSync(good, bad);
      flip(bad, [offset, offset + COPY_BYTES]);
      const result = await place.refused(["mount", bad, place.makeDirectory("disk")]);
      expectRefusal(result, {
        cause: /(not a kmemfs pool|damaged superblock: .+) \(EINVAL\)$/,
        cure: /kmemfs (check|format) /,
      });
      const check = await place.refused(["check", bad]);
      expect([4, 8], `check with byte ${offset} flipped: ${check.stdout}${check.stderr}`).toContain(check.status);
    }
    await place.expectNothingLeft();
  }));

it("one damaged copy: the other one serves", () =>
  withPlace(async (place) => {
    for (const copy of [0, 1]) {
      const pool = place.path(`pool-${copy}`);
      const first = await place.mount({ pool, size: "1M", args: ["--create"] });
      await first.io("pwrite -q -S 0x44 0 64k");
      const sum = await first.sum();
      await first.unmount();
      flip(pool, [copy * COPY_BYTES + 40]);
      const again = await place.mount({ pool });
      expect(await again.sum()).toBe(sum);
      await again.unmount();
      await place.kmemfs(["check", pool]);
    }
  }));

it("an entry out of range, and two blocks with one page: not mounted, and check finds them", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const disk = await place.mount({ pool, size: "1M", args: ["--create"] });
    await disk.io("pwrite -q -S 0x44 0 64k");
    await disk.unmount();
    const bad = place.path("bad");
    const planted = [
      [0, 0xffffff],
      [8, undefined],
    ] as const;
    for (const [offset, value] of planted) {
      copyFileSync(pool, bad);
      const fd = openSync(bad, "r+");
      const entry = Buffer.alloc(4);
      // The index begins at page 1; entry 0 is copied over entry 1.
      readSync(fd, entry, 0, 4, 4096);
      if (value !== undefined) entry.writeUInt32LE(value);
      writeSync(fd, entry, 0, 4, 4096 + offset);
      closeSync(fd);
      const check = await place.refused(["check", bad]);
      expect(check.status).toBe(4);
      const result = await place.refused(["mount", bad, place.makeDirectory("disk")]);
      expectRefusal(result, { cause: /entry|page|index/, cure: /kmemfs check/ });
    }
    await place.expectNothingLeft();
  }));

it("a pool file that was cut short", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "1M"]);
    const fd = openSync(pool, "r+");
    const { ftruncateSync } = await import("node:fs");
    ftruncateSync(fd, 4096 * 100);
    closeSync(fd);
    const result = await place.refused(["mount", pool, place.makeDirectory("disk")]);
    expectRefusal(result, { cause: /damaged superblock: .+\(EINVAL\)$/ });
  }));
