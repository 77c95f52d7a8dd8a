/**
 * The laws of the engine (DESIGN, section 4), one test each, as far as the core
 * alone can break them. Law 11 is about processes: its tests mount.
 */
import { describe, expect, it } from "vitest";
import { AssertionError } from "../../src/base/assert.js";
import { EIO, ENOSPC } from "../../src/base/errno.js";
import { MediaError } from "../../src/base/errors.js";
import { FreeMap } from "../../src/pool/freeMap.js";
import { Mutex } from "../../src/pool/mutex.js";
import { closePool } from "../../src/pool/probe.js";
import { decode, hasMagic } from "../../src/pool/superblock.js";
import { superblockPage } from "../../src/pool/superblockStore.js";
import { fingerprint, plantEntry } from "../support/damage.js";
import { expectBytes } from "../support/expectBytes.js";
import { FakeMemory, POISON } from "../support/fakeMemory.js";
import { ModelRun, runModel } from "../support/modelRun.js";
import { run } from "../support/processes.js";
import { Random } from "../support/random.js";
import { blocksOf, formatFake, makePool, openPool, type TestPool } from "../support/testPool.js";
import type { HeapOutput } from "../support/threads/heap.js";
import { compiledScript } from "../support/threads.js";
import { type Call, failing, recording, type Watch } from "../support/watchedMemory.js";

const PAGE = 4096;
const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

/** Opens a formatted memory with a watch that knows the pool. */
function watched(fake: FakeMemory, watch: (call: Call, pool: TestPool) => void): TestPool {
  let pool: TestPool | undefined;
  const seen: Watch = (call) => {
    if (pool !== undefined) watch(call, pool);
    return 0;
  };
  pool = openPool(fake, { watch: seen });
  return pool;
}

/** The blocks whose entries name a page of the range. */
function blocksNaming(pool: TestPool, { firstPage, pageCount }: Call): number[] {
  return Array.from({ length: pool.geometry.maxBlocks }, (_, block) => block).filter((block) => {
    const page = pool.pool.index.get(block);
    return page >= firstPage && page < firstPage + pageCount;
  });
}

it("law 1: fill, then publish: no entry names a page before all its bytes are defined", () => {
  let fills = 0;
  const pool = watched(formatFake({ pageCount: 66 }), (call, self) => {
    if (call.verb !== "fill" && (call.verb !== "populate" || call.firstPage < self.geometry.firstDataPage)) return;
    fills++;
    expect(blocksNaming(self, call), "published before it was filled").toEqual([]);
  });
  pool.write(0, blocksOf(1, 8));
  pool.write(20 * PAGE + 100, blocksOf(2));
  pool.write(2 * PAGE, blocksOf(3, 10));
  pool.reserve(30 * PAGE, 8 * PAGE);
  expect(fills).toBeGreaterThanOrEqual(4);
  // What is around a small write in a fresh page is defined too.
  expect(isZero(pool.read(20 * PAGE, 100)) && isZero(pool.read(21 * PAGE + 100, PAGE - 100))).toBe(true);
});

describe("law 2: clear, then limbo, then free", () => {
  it("law 2: a page is given back when no entry names it any more", () => {
    let releases = 0;
    const pool = watched(formatFake({ pageCount: 66 }), (call, self) => {
      if (call.verb !== "release") return;
      releases++;
      expect(blocksNaming(self, call), "given back while an entry names it").toEqual([]);
    });
    pool.write(0, blocksOf(1, 16));
    pool.discard(3 * PAGE, 9 * PAGE);
    expect(releases).toBe(1);
  });

  it("law 2: and when no request that began earlier is inside", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(7, 4));
    const reader = pool.join(1);
    reader.file.enter();
    const page = reader.pool.index.get(2);
    pool.discard(0, 4 * PAGE);
    pool.write(40 * PAGE, blocksOf(8, 20));
    expectBytes(pool.fake.page(page), blocksOf(7));
    reader.file.leave();
    expect(pool.fake.holds(page)).toBe(false);
  });

  it("law 2: and, in a durable pool, when the cleared entry is on the media", () => {
    const pool = makePool({ pageCount: 66, durable: true });
    pool.write(0, blocksOf(7, 4));
    pool.file.flush();
    const page = pool.pool.index.get(2);
    pool.discard(0, 4 * PAGE);
    pool.read(0, PAGE);
    expect(pool.fake.holds(page)).toBe(true);
    expectBytes(openPool(pool.fake.copy(() => true)).read(2 * PAGE, PAGE), blocksOf(7));
    pool.pool.flushAndDrain();
    expect(pool.fake.holds(page)).toBe(false);
  });

  it("law 2: and what is discarded while a sync is at work waits for the next one", () => {
    let syncs = 0;
    const pool = watched(formatFake({ pageCount: 66, durable: true }), ({ verb }, self) => {
      if (verb === "sync" && ++syncs === 1) expect(self.join(1).discard(8 * PAGE, PAGE)).toBe(0);
    });
    pool.write(0, blocksOf(7, 16));
    const late = pool.pool.index.get(8);
    pool.discard(0, PAGE);
    pool.pool.flushAndDrain();
    expect([pool.pool.account.limbo, pool.fake.holds(late)]).toEqual([1, true]);
    pool.pool.flushAndDrain();
    expect([pool.pool.account.limbo, pool.fake.holds(late)]).toEqual([0, false]);
  });

  it("law 2: a shortage empties limbo before anyone sees ENOSPC", () => {
    const pool = makePool({ pageCount: 12, maxBlocks: 100, durable: true });
    const { dataPages } = pool.geometry;
    for (let round = 0; round < 10; round++) {
      const at = (round % 2) * 50 * PAGE;
      expect(pool.write(at, blocksOf(round, dataPages))).toBe(dataPages * PAGE);
      expect(pool.write(90 * PAGE, blocksOf(1))).toBe(-ENOSPC);
      expect(pool.discard(at, dataPages * PAGE)).toBe(0);
    }
  });
});

describe("law 3: free means given back", () => {
  it("law 3: in runs, not page by page", () => {
    const calls: Call[] = [];
    const pool = makePool({ pageCount: 1100, watch: recording(calls) });
    for (let block = 0; block < 1000; block += 50) pool.write(block * PAGE, blocksOf(1, 50));
    expect(pool.fake.heldPages).toBe(1000 + pool.pool.account.metadata);
    calls.length = 0;
    pool.discard(0, 1000 * PAGE);
    const releases = calls.filter((call) => call.verb === "release");
    expect(releases.reduce((sum, call) => sum + call.pageCount, 0)).toBe(1000);
    // A run may end with its index page.
    expect(releases.length).toBeLessThanOrEqual(2);
    expect(pool.fake.heldPages).toBe(pool.pool.account.metadata);
  });

  it("law 3: the old content is gone, also where nothing can be punched", () => {
    for (const canPunch of [true, false]) {
      const pool = makePool({ pageCount: 66, canPunch });
      pool.write(0, blocksOf(0x55, 64));
      pool.discard(0, 64 * PAGE);
      const { firstDataPage } = pool.geometry;
      const left = new Set(pool.fake.bytes.subarray(firstDataPage * PAGE, 66 * PAGE));
      expect([...left]).toEqual([canPunch ? POISON : 0]);
    }
  });

  it("law 3: a large page goes back when all of it is free, and the rest is named stock", () => {
    const pool = makePool({ pageCount: 2048, grainPages: 512 });
    pool.write(600 * PAGE, blocksOf(1, 2));
    expect([pool.fake.heldPages, pool.pool.account.stock]).toEqual([1024, 1024 - 2 - pool.geometry.firstDataPage]);
    pool.discard(600 * PAGE, PAGE);
    expect(pool.fake.heldPages).toBe(1024);
    pool.discard(601 * PAGE, PAGE);
    expect([pool.fake.heldPages, pool.pool.account.stock]).toEqual([512, 512 - pool.geometry.firstDataPage]);
  });
});

it("law 4: no request reads another block's bytes, nor a freed page's", () => {
  for (const options of [{}, { canPunch: false }, { grainPages: 8 }, { durable: true }]) {
    const pool = makePool({ pageCount: 24, maxBlocks: 200, ...options });
    const { dataPages } = pool.geometry;
    pool.write(0, blocksOf(0x55, dataPages));
    pool.discard(0, dataPages * PAGE);
    expect(pool.reserve(100 * PAGE, 6 * PAGE)).toBe(0);
    expect(pool.write(106 * PAGE + 7, Uint8Array.of(9))).toBe(1);
    expect(pool.write(110 * PAGE + 4000, new Uint8Array(5000).fill(9))).toBe(5000);
    const bytes = pool.read(0, 200 * PAGE);
    expect([...new Set(bytes)].sort()).toEqual([0, 9]);
    expect(bytes.filter((byte) => byte === 9).length).toBe(5001);
  }
});

it("law 4: nor what a killed process left in a page, where nothing can be punched", () => {
  const pool = makePool({ pageCount: 66, canPunch: false });
  pool.write(0, blocksOf(1, 1));
  const { firstDataPage } = pool.geometry;
  pool.fake.bytes.fill(0x55, (firstDataPage + 1) * PAGE, 66 * PAGE);
  const next = openPool(pool.fake);
  expect(next.reserve(10 * PAGE, 20 * PAGE)).toBe(0);
  expect(next.write(40 * PAGE + 7, Uint8Array.of(9))).toBe(1);
  expect([...new Set(next.read(0, 64 * PAGE))].sort()).toEqual([0, 1, 9]);
});

it("law 5: a write that fails leaves each block old or new, and ENOSPC is ENOSPC", () => {
  const pool = makePool({ pageCount: 12, maxBlocks: 100 });
  const { dataPages } = pool.geometry;
  pool.write(4 * PAGE, blocksOf(1, 2));
  expect(pool.write(10, blocksOf(2, dataPages + 3))).toBe(-ENOSPC);
  const now = pool.read(0, (dataPages + 4) * PAGE);
  const wanted = new Uint8Array(now.length);
  wanted.fill(1, 4 * PAGE, 6 * PAGE);
  for (let block = 0; block < dataPages + 4; block++) {
    const [from, end] = [block * PAGE, (block + 1) * PAGE];
    const isNew = isZero(now.subarray(from, Math.max(from, Math.min(end, 10)))) && now[end - 1] === 2;
    if (!isNew) expectBytes(now.subarray(from, end), wanted.subarray(from, end));
  }
  // The machine's own bound, in the middle of a block file that has room.
  const other = makePool({ pageCount: 66, watch: failing("fill", ENOSPC, 1, 2) });
  expect(other.write(0, blocksOf(2, 4))).toBe(-ENOSPC);
  expect(isZero(other.read(0, 4 * PAGE))).toBe(true);
  expect(other.fake.heldPages).toBe(other.accountedPages);
});

it("law 6: nothing is stored to memory that was not made sure of", () => {
  // The fake throws where bytes are copied to such a page, and finds other stores afterwards.
  const pool = makePool({ pageCount: 40, maxBlocks: 3000 });
  const blocks = [0, 511, 512, 700, 1024, 2999];
  for (const block of blocks) {
    expect(pool.write(block * PAGE + 5, Uint8Array.of(1))).toBe(1);
    expect(pool.discard(block * PAGE + 4, 2)).toBe(0);
    expect(pool.reserve(Math.max(0, block - 1) * PAGE, 2 * PAGE)).toBe(0);
    expect(pool.fake.strayStores()).toEqual([]);
  }
  pool.discard(0, pool.file.sizeBytes);
  pool.read(0, 30 * PAGE);
  expect(pool.fake.strayStores()).toEqual([]);
  // Where none can be had, that is an errno, and still nothing is stored.
  pool.fake.limit(pool.fake.heldPages);
  expect(pool.write(1600 * PAGE, blocksOf(1))).toBe(-ENOSPC);
  expect(pool.reserve(1600 * PAGE, PAGE)).toBe(-ENOSPC);
  expect(pool.fake.strayStores()).toEqual([]);
});

describe("law 7: flush means durable", () => {
  it("law 7: what was acknowledged before is on the media", () => {
    const pool = makePool({ pageCount: 66, durable: true });
    pool.write(0, blocksOf(1, 8));
    pool.discard(2 * PAGE, PAGE);
    expect(pool.file.flush()).toBe(0);
    const again = openPool(pool.fake.copy(() => true));
    expectBytes(again.read(0, 8 * PAGE), pool.read(0, 8 * PAGE));
  });

  it("law 7: a failed flush is told, stays dirty, and no later one takes it back", () => {
    const pool = makePool({ pageCount: 66, durable: true, watch: failing("sync", EIO, 3) });
    pool.write(0, blocksOf(1, 8));
    pool.discard(0, PAGE);
    expect(pool.file.flush()).toBe(-EIO);
    // The kernel tells of lost pages once and then calls them clean: the next sync says nothing.
    expect([pool.file.flush(), pool.file.flush(), pool.pool.flushAndDrain()]).toEqual([-EIO, -EIO, EIO]);
    pool.pool.drainLimbo();
    pool.pool.leave();
    expect(pool.pool.account.limbo).toBe(1);
    expect([pool.write(0, blocksOf(2)), pool.discard(0, PAGE), pool.reserve(0, PAGE)]).toEqual([-EIO, -EIO, -EIO]);
    expectBytes(pool.read(PAGE, PAGE), blocksOf(1));
    expect(() => closePool(pool.pool)).toThrow("(EIO)");
    // The next server of the same session knows of it.
    const next = openPool(pool.fake, { before: pool });
    expect([next.file.flush(), next.write(0, blocksOf(2)), next.discard(0, PAGE)]).toEqual([-EIO, -EIO, -EIO]);
    expect(() => closePool(next.pool)).toThrow("(EIO)");
    // What did reach the media is a pool as good as after a power cut.
    expect(openPool(pool.fake.copy(() => true)).pool.account.used).toBeLessThanOrEqual(8);
  });

  it.each([
    ["housekeeping", (pool: TestPool) => pool.pool.flushAndDrain()],
    ["a shortage", (pool: TestPool) => pool.pool.drainLimbo()],
    ["a resize", (pool: TestPool) => pool.pool.resize(9)],
  ])("law 7: a failure that %s met is told by every flush after", (_what, meet) => {
    const pool = makePool({ pageCount: 66, durable: true, watch: failing("sync", EIO, 3) });
    pool.write(0, blocksOf(1, 8));
    pool.discard(0, PAGE);
    meet(pool);
    expect([pool.file.flush(), pool.file.flush()]).toEqual([-EIO, -EIO]);
  });
});

it("law 8: the media is not trusted", () => {
  const make = () => formatFake({ pageCount: 60, maxBlocks: 50, blocks: 40 });
  const bad: readonly (readonly [string, (fake: FakeMemory) => void])[] = [
    ["range", (fake) => plantEntry(fake, 0, 60)],
    ["range", (fake) => plantEntry(fake, 0, 1)],
    ["high-word", (fake) => plantEntry(fake, 0, 5, 1)],
    ["padding", (fake) => plantEntry(fake, 50, 5)],
    ["beyond-size", (fake) => plantEntry(fake, 40, 5)],
    [
      "duplicate",
      (fake) => {
        plantEntry(fake, 0, 5);
        plantEntry(fake, 1, 5);
      },
    ],
  ];
  for (const [kind, damage] of bad) {
    const fake = make();
    damage(fake);
    const before = fingerprint(fake);
    expect(() => openPool(fake), kind).toThrow(`index entry (${kind})`);
    expect(fingerprint(fake).equals(before), `${kind}: the refused pool is unchanged`).toBe(true);
  }
  // The size is the file's, and the header must agree with it.
  expect(() => decode(superblockPage(make()), 61)).toThrow("pageCount at byte 16: expected 61 by the pool's size");
  // After probe it is our own copy that counts.
  const pool = openPool(make());
  pool.fake.page(0).fill(0xff);
  pool.write(0, blocksOf(1));
  expectBytes(pool.read(0, PAGE), blocksOf(1));
  // An entry that is changed behind our back is no way out of the pool.
  plantEntry(pool.fake, 0, 1);
  expect(() => pool.read(0, PAGE)).toThrow(`read: ${-EIO}`);
});

it("law 9: a broken invariant is found and stops", () => {
  const map = new FreeMap(new Int32Array(2), new Int32Array(1), 64);
  map.claimFrom(3, 1);
  expect(() => map.free(3, 2)).toThrow(AssertionError);
  expect(() => new Mutex(new Int32Array(new SharedArrayBuffer(4)), 0).unlock()).toThrow(AssertionError);
  const pool = makePool({ pageCount: 66 });
  pool.write(0, blocksOf(1));
  const page = pool.pool.index.get(0);
  pool.pool.allocator.free(page, 1);
  expect(() => pool.discard(0, PAGE)).toThrow("page freed that was free already");
  // A thread without a slot of its own would let others free what it reads.
  expect(() => pool.join(64)).toThrow("thread 64 has no slot");
  expect(() => pool.join(-1)).toThrow(AssertionError);
});

it("law 10: doing a request twice gives the same end state", () => {
  const verbs: readonly (readonly [string, (pool: TestPool) => number])[] = [
    ["write", (pool) => pool.write(3 * PAGE + 5, blocksOf(9, 4))],
    ["discard", (pool) => pool.discard(2 * PAGE + 5, 5 * PAGE)],
    ["reserve", (pool) => pool.reserve(8 * PAGE, 8 * PAGE)],
    ["flush", (pool) => pool.request((file) => file.flush())],
    ["grow", (pool) => pool.request((file) => file.resize(60 * PAGE))],
    ["shrink", (pool) => pool.request((file) => file.resize(5 * PAGE))],
  ];
  for (const [verb, act] of verbs) {
    for (const durable of [false, true]) {
      const [once, twice] = [1, 2].map((times) => {
        const pool = makePool({ pageCount: 66, blocks: 50, durable });
        pool.write(PAGE, blocksOf(1, 6));
        const results = Array.from({ length: times }, () => act(pool));
        expect(Math.min(...results), `${verb}: ${results}`).toBeGreaterThanOrEqual(0);
        expect(new Set(results).size, `${verb}: the answers are the same`).toBe(1);
        pool.pool.flushAndDrain();
        const { used, limbo, blocks } = pool.pool.account;
        return [used, limbo, blocks, Buffer.from(pool.read(0, pool.file.sizeBytes)).toString("base64")];
      });
      expect(twice, verb).toEqual(once);
    }
  }
});

it("law 12: a request leaves no objects behind", async () => {
  // A young generation so large that nothing is collected meanwhile.
  const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  const bytes: number[] = [];
  for (let round = 0; round < 3; round++) {
    const { stdout } = await run(process.execPath, [...flags, compiledScript("heap"), "10000"]);
    bytes.push((JSON.parse(stdout) as HeapOutput).bytesPerRequest);
  }
  // 31 bytes: boxed numbers, as addresses are no small integers. An object of three fields for each look-up gave 143.
  expect(Math.min(...bytes)).toBeLessThan(50);
}, 60_000);

it("law 13: the account equals the memory at every quiet moment", () => {
  for (const options of [{}, { grainPages: 8 }, { durable: true }, { full: true }]) {
    // The model run compares after each step.
    const pool = makePool({ pageCount: 64, ...options });
    expect(pool.fake.heldPages).toBe(pool.accountedPages);
    runModel(new ModelRun(pool, new Random(13)), 300);
  }
});

describe("law 14: format never destroys what it can recognise, and probe never formats", () => {
  it("law 14: a pool is recognised by its magic, however damaged the rest is", () => {
    const page = superblockPage(makePool({ pageCount: 66 }).fake);
    for (const at of [0, 2048]) {
      const damaged = page.slice();
      damaged.fill(0xff, 8, 2048).fill(0xff, 2056);
      damaged.fill(0, at, at + 8);
      expect(hasMagic(damaged)).toBe(true);
      expect(() => decode(damaged, 66)).toThrow(MediaError);
    }
  });

  it("law 14: what is no pool is refused and stays as it is", () => {
    for (const content of [0, 0x6b, 0xff]) {
      const fake = FakeMemory.make({ pageCount: 66, metadataPages: 2 });
      fake.populate(0, 2);
      fake.page(0).fill(content);
      const before = fingerprint(fake);
      for (const readOnly of [false, true]) expect(() => openPool(fake, { readOnly })).toThrow("magic");
      expect(fingerprint(fake).equals(before)).toBe(true);
    }
  });
});
