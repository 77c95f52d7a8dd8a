import { describe, expect, it } from "vitest";
import { EIO } from "../../../src/base/errno.js";
import {
  decode,
  encode,
  MAX_GENERATION,
  STATE_CLEAN,
  STATE_DIRTY,
  STATE_FORMATTING,
} from "../../../src/pool/superblock.js";
import {
  generationOver,
  superblockPage,
  updateSuperblock,
  writeSuperblock,
} from "../../../src/pool/superblockStore.js";
import { plantSuperblock } from "../../support/damage.js";
import { formatFake } from "../../support/testPool.js";
import { failing, WatchedMemory } from "../../support/watchedMemory.js";

const UNIT_BYTES = 8;
/** Up to so many units every mix of them is made. */
const MOST_SUBSET_UNITS = 6;

/** What a cut leaves of page 0 while it becomes `to`, in units of 8 bytes. */
function* mixes(from: Uint8Array, to: Uint8Array): Generator<Uint8Array> {
  const changed: number[] = [];
  for (let at = 0; at < from.length; at += UNIT_BYTES) {
    if (Buffer.compare(from.subarray(at, at + UNIT_BYTES), to.subarray(at, at + UNIT_BYTES)) !== 0) changed.push(at);
  }
  const mix = (taken: (i: number) => boolean): Uint8Array => {
    const page = from.slice();
    for (const [i, at] of changed.entries()) if (taken(i)) page.set(to.subarray(at, at + UNIT_BYTES), at);
    return page;
  };
  if (changed.length <= MOST_SUBSET_UNITS) {
    for (let bits = 0; bits < 2 ** changed.length; bits++) yield mix((i) => (bits & (2 ** i)) !== 0);
    return;
  }
  for (let one = 0; one < changed.length; one++) {
    for (const rule of [(i: number) => i < one, (i: number) => i === one, (i: number) => i !== one]) yield mix(rule);
  }
  yield to;
}

describe("the superblock of an open pool", () => {
  it("is written in turn, each time with the next generation", () => {
    const memory = formatFake({ pageCount: 20 });
    const before = decode(superblockPage(memory), 20);
    expect(before.state).toBe(STATE_CLEAN);
    for (let i = 1; i <= 4; i++) {
      const old = superblockPage(memory);
      expect(updateSuperblock(memory, { state: STATE_DIRTY, blocks: i })).toBe(0);
      const now = superblockPage(memory);
      expect(decode(now, 20)).toEqual({ ...before, generation: before.generation + i, state: STATE_DIRTY, blocks: i });
      const changed = [0, 2048].filter((at) => Buffer.compare(old.subarray(at, at + 512), now.subarray(at, at + 512)));
      expect(changed).toEqual([((before.generation + i) % 2) * 2048]);
    }
  });

  it("is not written when its generation is the last that can be read", () => {
    const memory = formatFake({ pageCount: 20 });
    plantSuperblock(memory, { ...decode(superblockPage(memory), 20), generation: MAX_GENERATION - 1 });
    const before = superblockPage(memory);
    expect(decode(before, 20).generation).toBe(MAX_GENERATION);
    expect(() => updateSuperblock(memory, { blocks: 5 })).toThrow("generation at byte 48: expected less than");
    expect(superblockPage(memory)).toEqual(before);
  });

  it("is valid, old or new, wherever a write of it is cut", () => {
    const memory = formatFake({ pageCount: 20 });
    updateSuperblock(memory, { blocks: 5 });
    const old = superblockPage(memory);
    updateSuperblock(memory, { blocks: 6 });
    const now = superblockPage(memory);
    const seen = new Set<number>();
    for (let cut = 0; cut <= 4096; cut++) {
      const torn = old.slice();
      torn.set(now.subarray(0, cut));
      seen.add(decode(torn, 20).blocks);
      const tornFromBehind = now.slice();
      tornFromBehind.set(old.subarray(0, cut));
      seen.add(decode(tornFromBehind, 20).blocks);
    }
    expect([...seen].sort()).toEqual([5, 6]);
  });

  it("does not come back whole from a write that was cut when the next one is cut as well", () => {
    const fake = formatFake({ pageCount: 20 });
    updateSuperblock(fake, { state: STATE_DIRTY });
    updateSuperblock(fake, { blocks: 5 });
    const before = superblockPage(fake);
    updateSuperblock(fake, { blocks: 9 });
    const cutOff = [...mixes(before, superblockPage(fake))].filter((page) => decode(page, 20).blocks === 5);
    expect(cutOff.length).toBeGreaterThan(2);
    for (const torn of cutOff) {
      fake.page(0).set(torn);
      let media = torn;
      const seen = new Set<string>();
      const look = () => {
        const page = superblockPage(fake);
        for (const left of mixes(media, page)) {
          const { blocks, state } = decode(left, 20);
          seen.add(`${blocks} blocks, state ${state}`);
        }
        media = page;
        return 0;
      };
      updateSuperblock(new WatchedMemory(fake, look), { state: STATE_CLEAN });
      expect([...seen]).toEqual([`5 blocks, state ${STATE_DIRTY}`, `5 blocks, state ${STATE_CLEAN}`]);
    }
  });

  it("is not written where the remains of one that was cut off cannot be wiped from the media", () => {
    const fake = formatFake({ pageCount: 20 });
    fake.page(0).fill(0xa5, 2048, 2048 + 8);
    const before = decode(superblockPage(fake), 20);
    expect(updateSuperblock(new WatchedMemory(fake, failing("sync", EIO)), { blocks: 4 })).toBe(EIO);
    expect(decode(superblockPage(fake), 20)).toEqual(before);
    expect(updateSuperblock(fake, { blocks: 4 })).toBe(0);
    expect(decode(superblockPage(fake), 20).blocks).toBe(4);
  });

  it("answers when it is on the media, or why it is not", () => {
    const fake = formatFake({ pageCount: 20, durable: true });
    expect(updateSuperblock(fake, { blocks: 3 })).toBe(0);
    expect(decode(superblockPage(fake.copy(() => true)), 20).blocks).toBe(3);
    expect(updateSuperblock(new WatchedMemory(fake, failing("sync", EIO)), { blocks: 4 })).toBe(EIO);
    expect(decode(superblockPage(fake.copy(() => true)), 20).blocks).toBe(3);
  });

  it("of a format goes beside the copy that counts, wherever that stands", () => {
    for (const [first, second] of [
      [7, 8],
      [8, 7],
      [7, 0],
      [0, 8],
    ] as const) {
      const memory = formatFake({ pageCount: 20 });
      const old = decode(superblockPage(memory), 20);
      // A copy that stands where its generation does not belong is somebody else's work, and counts all the same.
      for (const [slot, generation] of [first, second].entries()) {
        memory.page(0).fill(0, slot * 2048, slot * 2048 + 512);
        if (generation > 0) memory.page(0).set(encode({ ...old, generation }), slot * 2048);
      }
      const newest = decode(superblockPage(memory), 20);
      const generation = generationOver(memory);
      expect(generation).toBeGreaterThan(newest.generation);
      const before = superblockPage(memory);
      writeSuperblock(memory, { ...newest, generation, state: STATE_FORMATTING });
      const after = superblockPage(memory);
      const seen = new Set<string>();
      for (let cut = 0; cut <= 4096; cut++) {
        const torn = before.slice();
        torn.set(after.subarray(0, cut));
        const found = decode(torn, 20);
        seen.add(found.generation === generation ? "new" : JSON.stringify(found));
      }
      expect([...seen]).toEqual([JSON.stringify(newest), "new"]);
    }
  });

  it("of a format begins anew where nothing counts, or a generation that leaves no room", () => {
    const memory = formatFake({ pageCount: 20 });
    const old = decode(superblockPage(memory), 20);
    memory.page(0).set(encode({ ...old, generation: 2 ** 51 + 1 }), 2048);
    expect(generationOver(memory)).toBe(1);
    expect(superblockPage(memory).every((byte) => byte === 0)).toBe(true);
    memory.page(0).fill(0xa5);
    expect(generationOver(memory)).toBe(1);
  });
});
