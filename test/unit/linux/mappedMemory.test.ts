/** MappedMemory on hugetlbfs, and on a stand-in for device DAX. */
import { mkdtempSync, readFileSync, rmdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EFAULT, EIO, ENOSPC } from "../../../src/base/errno.js";
import { MIB, PAGE_BYTES } from "../../../src/base/units.js";
import { type Backing, closeBacking } from "../../../src/linux/backing/backing.js";
import { createMemfd } from "../../../src/linux/backing/memfd.js";
import { openBacking } from "../../../src/linux/backing/openBacking.js";
import { createPoolFile } from "../../../src/linux/backing/poolFile.js";
import { MappedMemory } from "../../../src/linux/memory/mappedMemory.js";
import { mapBacking, unmapBacking } from "../../../src/linux/memory/mapping.js";
import { attachMemory } from "../../../src/linux/memory/memory.js";
import { memcpy, memset } from "../../../src/linux/syscall/libcData.js";
import { mount, umount2 } from "../../../src/linux/syscall/libcMount.js";
import { filled, heldBytes, isRoot, poolBytes, withMemory } from "./support.js";

const NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages";
const HUGE = 2 * MIB;
const GRAIN = HUGE / PAGE_BYTES;

/** Mounts a hugetlbfs with four free pages; the reason when it cannot be had. */
function mountHuge(): { directory: string; before: string } | string {
  if (!isRoot) return "not root";
  const before = readFileSync(NR_HUGEPAGES, "utf8");
  const directory = mkdtempSync(join(tmpdir(), "kmemfs-huge-"));
  writeFileSync(NR_HUGEPAGES, String(Number(before) + 4));
  const got = Number(readFileSync(NR_HUGEPAGES, "utf8")) - Number(before);
  const result = mount("none", directory, "hugetlbfs", 0, `pagesize=2M,size=${4 * HUGE}`);
  if (got === 4 && result === 0) return { directory, before };
  if (result === 0) umount2(directory, 0);
  writeFileSync(NR_HUGEPAGES, before);
  rmdirSync(directory);
  return `only ${got} huge pages, mount ${result}`;
}

describe.skipIf(!isRoot)("hugetlbfs", () => {
  let huge: ReturnType<typeof mountHuge>;
  beforeAll(() => {
    huge = mountHuge();
  });
  afterAll(() => {
    if (typeof huge === "string") return;
    expect(umount2(huge.directory, 0)).toBe(0);
    rmdirSync(huge.directory);
    writeFileSync(NR_HUGEPAGES, huge.before);
  });

  it("holds and gives back whole grains, zeroes the rest, and says ENOSPC", (context) => {
    if (typeof huge === "string") return context.skip(huge);
    const path = `${huge.directory}/pool`;
    const facts = createPoolFile(path, { pageCount: 6 * GRAIN - 1 });
    expect(facts).toMatchObject({ kind: "hugetlbfs", grainPages: GRAIN, pageCount: 6 * GRAIN, durable: false });
    withMemory(facts, 7, ({ memory }) => {
      expect(heldBytes(facts)).toBe(HUGE);
      const ones = filled(3 * HUGE, 1);
      expect(memory.fill(GRAIN - 2, 4, 5, ones, 4 * PAGE_BYTES - 10)).toBe(0);
      expect(heldBytes(facts)).toBe(2 * HUGE);
      const bytes = poolBytes(memory, (GRAIN - 2) * PAGE_BYTES, 4 * PAGE_BYTES);
      expect([bytes[4], bytes[5], bytes[4 * PAGE_BYTES - 6], bytes[4 * PAGE_BYTES - 5]]).toEqual([0, 1, 1, 0]);
      expect(memory.populate(2 * GRAIN, 2 * GRAIN)).toBe(0);
      expect(memory.populate(4 * GRAIN, 1)).toBe(ENOSPC);
      expect(memory.fill(4 * GRAIN, 1, 0, ones, PAGE_BYTES)).toBe(ENOSPC);
      // No huge page left: an errno, not SIGBUS.
      expect([EIO, ENOSPC]).toContain(memory.write(4 * GRAIN * PAGE_BYTES, ones, 10));
      expect(memory.write((GRAIN + 1) * PAGE_BYTES, ones, PAGE_BYTES)).toBe(0);
      expect(memory.release(GRAIN - 1, 2 * GRAIN)).toBe(0);
      expect(heldBytes(facts)).toBe(3 * HUGE);
      expect(poolBytes(memory, (GRAIN - 2) * PAGE_BYTES + 5, 1)[0]).toBe(1);
      expect(poolBytes(memory, (GRAIN - 1) * PAGE_BYTES, PAGE_BYTES).every((byte) => byte === 0)).toBe(true);
    });
    const again = openBacking(path, { readOnly: true });
    expect(again).toMatchObject({ kind: "hugetlbfs", pageCount: 6 * GRAIN, readOnly: true });
    closeBacking(again);
  });
});

describe("a stand-in for device DAX", () => {
  it("zeroes instead of punching, and holds everything", () => {
    const memfd = createMemfd({ pageCount: 64 });
    const mapping = mapBacking(memfd, 2);
    const memory = attachMemory({ ...mapping, backing: { ...memfd, kind: "devdax", canPunch: false, durable: true } });
    try {
      expect(memory.fill(10, 2, 1, filled(PAGE_BYTES, 8), PAGE_BYTES)).toBe(0);
      expect([...poolBytes(memory, 10 * PAGE_BYTES, 2)]).toEqual([0, 8]);
      expect(memory.release(10, 2)).toBe(0);
      expect(poolBytes(memory, 10 * PAGE_BYTES, 2 * PAGE_BYTES).every((byte) => byte === 0)).toBe(true);
      expect([memory.nextHeld(3, 64), memory.nextUnheld(3, 64), memory.populate(0, 64), memory.sync()]).toEqual([
        3, 64, 0, 0,
      ]);
      expect([memory.canPunch, memory.durable, memory.grainPages]).toEqual([false, true, 1]);
    } finally {
      unmapBacking(mapping);
      closeBacking(memfd);
    }
  });

  it("copies nothing that is lost", () => {
    const path = `/dev/shm/kmemfs-lost-${process.pid}`;
    const file = createPoolFile(path, { pageCount: 64 });
    const mapping = mapBacking(file, 2);
    try {
      const memory = new MappedMemory({ ...mapping, backing: { ...file, kind: "devdax", canPunch: false } });
      truncateSync(path, 32 * PAGE_BYTES);
      const source = mapping.baseAddress + 40 * PAGE_BYTES;
      expect(memory.fill(10, 1, 0, source, PAGE_BYTES)).toBe(EFAULT);
      expect(memory.fill(40, 1, 0, mapping.baseAddress + 10 * PAGE_BYTES, PAGE_BYTES)).toBe(EIO);
      expect(memory.fill(10, 1, 0, mapping.baseAddress + 11 * PAGE_BYTES, PAGE_BYTES)).toBe(0);
    } finally {
      unmapBacking(mapping);
      closeBacking(file);
      rmSync(path);
    }
  });

  it("has libpmem write back all that changes, by whatever verb", () => {
    const memfd = createMemfd({ pageCount: 64 });
    const mapping = mapBacking(memfd, 2);
    const written = new Uint8Array(64 * PAGE_BYTES);
    const note = (address: number, lengthBytes: number): void => {
      written.fill(1, address - mapping.baseAddress, address - mapping.baseAddress + lengthBytes);
    };
    const standIn = {
      persist: note,
      memcpy: (to: number, from: number, lengthBytes: number) => {
        memcpy(to, from, lengthBytes);
        note(to, lengthBytes);
      },
      memset: (at: number, byte: number, lengthBytes: number) => {
        memset(at, byte, lengthBytes);
        note(at, lengthBytes);
      },
    };
    const facts: Backing = { ...memfd, kind: "devdax", canPunch: false, durable: true };
    const memory = new MappedMemory({ ...mapping, backing: facts }, standIn);
    const ranges = (): string[] => {
      const found: string[] = [];
      for (let at = 0; at < written.length; at++) {
        if (written[at] === 0) continue;
        const end = written.indexOf(0, at);
        found.push(`${at / PAGE_BYTES}+${(end - at) / PAGE_BYTES}`);
        at = end;
      }
      written.fill(0);
      return found;
    };
    try {
      expect(memory.needsPersist).toBe(true);
      expect(memory.fill(10, 2, 1, filled(PAGE_BYTES, 8), PAGE_BYTES)).toBe(0);
      expect(ranges()).toEqual(["10+2"]);
      expect(memory.write(20 * PAGE_BYTES, filled(PAGE_BYTES, 8), 2048)).toBe(0);
      expect(ranges()).toEqual(["20+0.5"]);
      expect(memory.zero(20 * PAGE_BYTES, 1024)).toBe(0);
      expect(ranges()).toEqual(["20+0.25"]);
      expect(memory.release(10, 3)).toBe(0);
      expect(ranges()).toEqual(["10+3"]);
      memory.persist(PAGE_BYTES, 8 * 512);
      expect(ranges()).toEqual(["1+1"]);
    } finally {
      unmapBacking(mapping);
      closeBacking(memfd);
    }
  });
});
