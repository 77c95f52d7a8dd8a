/** FileMemory on real backings: memfd, private tmpfs, a file on a disk. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ENOSPC } from "../../../src/base/errno.js";
import { MIB, PAGE_BYTES } from "../../../src/base/units.js";
import type { Backing } from "../../../src/linux/backing/backing.js";
import { createMemfd } from "../../../src/linux/backing/memfd.js";
import { createPoolDirectory } from "../../../src/linux/backing/poolDirectory.js";
import { createPoolFile } from "../../../src/linux/backing/poolFile.js";
import { createPrivateTmpfs } from "../../../src/linux/backing/privateTmpfs.js";
import { readMetadata } from "../../../src/linux/backing/readMetadata.js";
import { attachMemory } from "../../../src/linux/memory/memory.js";
import { filled, heldBytes, isRoot, poolBytes, withDirectory, withMemory } from "./support.js";

type Make = (directory: string) => Backing;
const METADATA_PAGES = 4;
const backings: [string, Make, boolean][] = [
  ["memfd", () => createMemfd({ pageCount: 1024 + METADATA_PAGES }), true],
  ["private tmpfs", () => createPrivateTmpfs({ metadataPages: METADATA_PAGES, dataPages: 1024 }), isRoot],
  ["file on disk", (directory) => createPoolFile(`${directory}/pool`, { pageCount: 1024 + METADATA_PAGES }), true],
  [
    "directory on disk",
    (directory) => createPoolDirectory(`${directory}/pool`, { metadataPages: METADATA_PAGES, dataPages: 1024 }),
    true,
  ],
];

describe.each(backings)("FileMemory on a %s", (_name, make, possible) => {
  const withPool = (act: Parameters<typeof withMemory>[2]): void =>
    withDirectory((directory) => withMemory(make(directory), METADATA_PAGES, act));

  it.skipIf(!possible)("fill defines whole pages: zeros, data, zeros", () => {
    withPool(({ memory }) => {
      expect(memory.pageCount).toBe(1024 + METADATA_PAGES);
      const ones = filled(3 * PAGE_BYTES, 0xff);
      expect(memory.fill(10, 3, 0, ones, 3 * PAGE_BYTES)).toBe(0);
      expect(memory.fill(10, 3, 100, filled(PAGE_BYTES, 7), PAGE_BYTES)).toBe(0);
      const bytes = poolBytes(memory, 10 * PAGE_BYTES, 3 * PAGE_BYTES);
      expect(bytes.findIndex((byte) => byte !== 0)).toBe(100);
      expect(bytes.subarray(100, 100 + PAGE_BYTES).every((byte) => byte === 7)).toBe(true);
      expect(bytes.subarray(100 + PAGE_BYTES).every((byte) => byte === 0)).toBe(true);
      expect(memory.fill(20, 1, 0, 0, 0)).toBe(0);
      expect(memory.nextHeld(14, 40)).toBe(20);
    });
  });

  it.skipIf(!possible)("write and zero change just their bytes, short and long", () => {
    withPool(({ memory }) => {
      expect(memory.fill(100, 512, 0, filled(2 * MIB, 1), 2 * MIB)).toBe(0);
      for (const lengthBytes of [10, PAGE_BYTES, 64 * 1024, MIB + 3]) {
        const at = 100 * PAGE_BYTES + 17;
        expect(memory.write(at, filled(lengthBytes, 2), lengthBytes)).toBe(0);
        const bytes = poolBytes(memory, at - 1, lengthBytes + 2);
        expect([bytes[0], bytes[1], bytes[lengthBytes], bytes[lengthBytes + 1]]).toEqual([1, 2, 2, 1]);
        expect(memory.zero(at, lengthBytes)).toBe(0);
        expect(poolBytes(memory, at, lengthBytes).every((byte) => byte === 0)).toBe(true);
        expect(memory.write(at, filled(lengthBytes, 1), lengthBytes)).toBe(0);
      }
      expect(memory.zero(100 * PAGE_BYTES, 2 * MIB)).toBe(0);
      expect(poolBytes(memory, 100 * PAGE_BYTES, 2 * MIB).every((byte) => byte === 0)).toBe(true);
      expect(memory.sync()).toBe(0);
    });
  });

  it.skipIf(!possible)("release gives st_blocks back and reads as zeros", () => {
    withPool(({ memory, facts }) => {
      memory.fill(50, 64, 0, filled(64 * PAGE_BYTES, 3), 64 * PAGE_BYTES);
      memory.sync();
      const held = heldBytes(facts);
      expect(held).toBeGreaterThanOrEqual(64 * PAGE_BYTES);
      expect(memory.release(58, 32)).toBe(0);
      memory.sync();
      expect(held - heldBytes(facts)).toBe(32 * PAGE_BYTES);
      expect(memory.nextUnheld(50, 200)).toBe(58);
      expect(memory.nextHeld(58, 200)).toBe(90);
      expect(poolBytes(memory, 58 * PAGE_BYTES, PAGE_BYTES).every((byte) => byte === 0)).toBe(true);
    });
  });

  it.skipIf(!possible)("nextHeld and nextUnheld go over the border of metadata and data", () => {
    withPool(({ memory }) => {
      const page = filled(PAGE_BYTES, 1);
      for (const pageNo of [1, METADATA_PAGES - 1, METADATA_PAGES, METADATA_PAGES + 1, 500])
        memory.fill(pageNo, 1, 0, page, PAGE_BYTES);
      const held: number[] = [];
      for (
        let at = memory.nextHeld(0, memory.pageCount);
        at < memory.pageCount;
        at = memory.nextHeld(at, memory.pageCount)
      ) {
        const end = memory.nextUnheld(at, memory.pageCount);
        for (; at < end; at++) held.push(at);
      }
      expect(held).toEqual([1, 3, 4, 5, 500]);
      expect(memory.nextHeld(6, 100)).toBe(100);
      expect(memory.nextUnheld(500, 501)).toBe(501);
      expect(memory.nextHeld(7, 7)).toBe(7);
    });
  });

  it.skipIf(!possible)("metadata words are the file's bytes, and reading metadata makes no memory", () => {
    withPool(({ memory, facts }) => {
      expect(memory.populate(2, 1)).toBe(0);
      const words = memory.metadataWords(0);
      expect(words.length).toBe((METADATA_PAGES * PAGE_BYTES) / 4);
      expect(memory.metadataWords(0)).toBe(words);
      Atomics.store(words, 2048 + 5, 0x01020304);
      const held = heldBytes(facts);
      const bytes = readMetadata(facts, 0, METADATA_PAGES * PAGE_BYTES);
      expect([...bytes.subarray(2 * PAGE_BYTES + 20, 2 * PAGE_BYTES + 24)]).toEqual([4, 3, 2, 1]);
      expect(heldBytes(facts)).toBe(held);
      expect(readMetadata(facts, facts.metaBytes - 10, 100)).toHaveLength(10);
    });
  });
});

describe("shmem", () => {
  it("is overwritten through the mapping only where a call has faulted it in", () =>
    withDirectory((directory) => {
      const pool = createPoolFile(`${directory}/pool`, { pageCount: 64 });
      withMemory(pool, METADATA_PAGES, ({ facts, mapping }) => {
        const memory = attachMemory(mapping, true);
        const at = 40 * PAGE_BYTES;
        const write = (byte: number): number => memory.write(at, filled(PAGE_BYTES, byte), PAGE_BYTES);
        expect(memory.fill(40, 1, 0, filled(PAGE_BYTES, 1), PAGE_BYTES)).toBe(0);
        for (const byte of [2, 3]) {
          expect(write(byte)).toBe(0);
          expect(poolBytes(memory, at, PAGE_BYTES).every((found) => found === byte)).toBe(true);
        }
        // A store to what a discard has punched out, or to a page that is gone, is no store to what was faulted in.
        expect(memory.release(40, 1)).toBe(0);
        ftruncateSync(facts.dataFd, 30 * PAGE_BYTES);
        expect(write(4)).toBe(0);
        expect(poolBytes(memory, at, PAGE_BYTES).every((found) => found === 4)).toBe(true);
      });
    }, "/dev/shm"));

  it("counts populated pages as held at once, and keeps their content", () => {
    withMemory(createMemfd({ pageCount: 64 }), 2, ({ memory, facts }) => {
      memory.fill(5, 1, 0, filled(PAGE_BYTES, 9), PAGE_BYTES);
      expect(memory.populate(4, 4)).toBe(0);
      expect([memory.nextHeld(2, 64), memory.nextUnheld(4, 64)]).toEqual([4, 8]);
      expect(poolBytes(memory, 5 * PAGE_BYTES, 1)[0]).toBe(9);
      expect(heldBytes(facts)).toBe(4 * PAGE_BYTES);
    });
  });

  it("a memfd cannot be truncated", () => {
    withMemory(createMemfd({ pageCount: 64 }), 2, ({ facts }) => {
      expect(() => openSync(`/proc/self/fd/${facts.metaFd}`, "w")).toThrow(/EPERM/);
    });
  });

  it.skipIf(!isRoot)("a full private tmpfs says ENOSPC and holds no more than before", () => {
    withMemory(createPrivateTmpfs({ metadataPages: 2, dataPages: 32 }), 2, ({ memory, facts }) => {
      const source = filled(64 * PAGE_BYTES, 1);
      expect(memory.fill(2, 30, 0, source, 30 * PAGE_BYTES)).toBe(0);
      expect(memory.populate(0, 2)).toBe(0);
      expect(heldBytes(facts)).toBe(32 * PAGE_BYTES);
      // Something else of the same file system takes the rest.
      const fd = openSync(`/proc/self/fd/${facts.tmpfsFd}/other`, "wx");
      writeSync(fd, new Uint8Array(PAGE_BYTES));
      expect(memory.fill(32, 2, 0, source, 2 * PAGE_BYTES)).toBe(ENOSPC);
      expect(memory.populate(32, 2)).toBe(ENOSPC);
      expect(heldBytes(facts)).toBe(32 * PAGE_BYTES);
      closeSync(fd);
    });
  });
});
