/** A pool on fake memory: formatted, opened, and driven as a serving thread does it. */
import { IovecList, MAX_IOVECS } from "../../src/base/iovec.js";
import type { Clock, Memory } from "../../src/base/ports.js";
import { PAGE_BYTES } from "../../src/base/units.js";
import { ServedFile } from "../../src/blockfile/servedFile.js";
import { TRAFFIC_DOUBLES, Traffic } from "../../src/blockfile/traffic.js";
import { type FormatRequest, formatPool } from "../../src/pool/format.js";
import { chosenGeometry, defaultGeometry, type Geometry } from "../../src/pool/geometry.js";
import { PERSISTENT_WORDS } from "../../src/pool/persistentState.js";
import { Pool } from "../../src/pool/pool.js";
import { closePool, probePool } from "../../src/pool/probe.js";
import type { PoolParts } from "../../src/pool/reclaim.js";
import { allocateShared, type PoolShared } from "../../src/pool/sharedState.js";
import { decode } from "../../src/pool/superblock.js";
import { superblockPage } from "../../src/pool/superblockStore.js";
import { FakeMemory, type FakeMemoryOptions, ZERO_PAGES } from "./fakeMemory.js";
import { type Watch, WatchedMemory } from "./watchedMemory.js";

export interface TestPoolOptions extends Omit<FakeMemoryOptions, "metadataPages" | "limitPages"> {
  /** Absent: the seed's geometry. */
  readonly maxBlocks?: number;
  readonly blocks?: number;
  readonly full?: boolean;
  readonly atomicWrites?: boolean;
  /** Sees the calls of the open pool, not those of format. */
  readonly watch?: Watch;
}

export interface OpenOptions {
  readonly watch?: Watch | undefined;
  readonly readOnly?: boolean;
  readonly atomicWrites?: boolean | undefined;
  /** The server before this one, killed in the same session. */
  readonly before?: TestPool | undefined;
}

/** What the threads of a test pool share. */
export interface TestShared {
  readonly geometry: Geometry;
  readonly shared: PoolShared;
  readonly persistentWords: Int32Array<SharedArrayBuffer>;
  readonly traffic: Float64Array<SharedArrayBuffer>;
}

const clock: Clock = { nowMs: () => 1_700_000_000_000 };

export function geometryOf(options: { pageCount: number; maxBlocks?: number }): Geometry {
  const { pageCount, maxBlocks } = options;
  return maxBlocks === undefined ? defaultGeometry(pageCount) : chosenGeometry(pageCount, maxBlocks);
}

export function formatRequest(geometry: Geometry, more: Partial<FormatRequest> = {}): FormatRequest {
  return {
    geometry,
    blocks: geometry.maxBlocks,
    uuid: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
    label: new TextEncoder().encode("test"),
    incompatible: 0,
    nowMs: clock.nowMs(),
    full: false,
    ...more,
  };
}

/** Formats fresh fake memory. */
export function formatFake(options: TestPoolOptions): FakeMemory {
  const geometry = geometryOf(options);
  const fake = FakeMemory.make({ ...options, metadataPages: geometry.firstDataPage });
  const blocks = options.blocks ?? geometry.maxBlocks;
  formatPool(fake, formatRequest(geometry, { blocks, full: options.full ?? false }));
  return fake;
}

export function makePool(options: TestPoolOptions): TestPool {
  return openPool(formatFake(options), { watch: options.watch, atomicWrites: options.atomicWrites });
}

/** Probes a formatted memory as thread 0. */
export function openPool(fake: FakeMemory, options: OpenOptions = {}): TestPool {
  const { watch, readOnly = false, atomicWrites = false, before } = options;
  const memory = watch === undefined ? fake : new WatchedMemory(fake, watch);
  const superblock = decode(superblockPage(memory), fake.pageCount);
  const { geometry } = superblock;
  const common: TestShared = {
    geometry,
    shared: allocateShared(geometry, memory.grainPages),
    persistentWords: before?.common.persistentWords ?? new Int32Array(new SharedArrayBuffer(PERSISTENT_WORDS * 4)),
    traffic: new Float64Array(new SharedArrayBuffer(8 * TRAFFIC_DOUBLES * 8)),
  };
  const { pool } = probePool(partsOf(memory, common, 0), superblock, { readOnly });
  return new TestPool(fake, memory, common, pool, { thread: 0, readOnly, atomicWrites });
}

/** The view of another thread, or of this one's second self. */
export function joinPool(
  fake: FakeMemory,
  common: TestShared,
  thread: number,
  memory: Memory = fake,
  atomicWrites = false,
): TestPool {
  const pool = new Pool(partsOf(memory, common, thread));
  return new TestPool(fake, memory, common, pool, { thread, readOnly: false, atomicWrites });
}

function partsOf(memory: Memory, common: TestShared, thread: number): PoolParts {
  const { geometry, shared, persistentWords } = common;
  return { memory, geometry, shared, persistentWords, thread };
}

export class TestPool {
  readonly file: ServedFile;
  readonly iovecWords = new Int32Array(MAX_IOVECS * 4);
  private readonly iovecs = new IovecList(this.iovecWords);

  constructor(
    readonly fake: FakeMemory,
    readonly memory: Memory,
    readonly common: TestShared,
    readonly pool: Pool,
    private readonly view: { readonly thread: number; readonly readOnly: boolean; readonly atomicWrites: boolean },
  ) {
    this.file = new ServedFile({
      pool,
      readOnly: view.readOnly,
      atomicWrites: view.atomicWrites,
      zeroAddress: fake.zeroAddress,
      zeroBytes: ZERO_PAGES * PAGE_BYTES,
      traffic: new Traffic(common.traffic, view.thread, clock),
    });
  }

  get thread(): number {
    return this.view.thread;
  }

  get geometry(): Geometry {
    return this.pool.geometry;
  }

  /** Another thread's view of the same pool. */
  join(thread: number): TestPool {
    return joinPool(this.fake, this.common, thread, this.memory, this.view.atomicWrites);
  }

  /** Runs one request: inside an epoch from its first look to its last use of a page. */
  request<T>(act: (file: ServedFile) => T): T {
    this.fake.beginRequest();
    this.file.enter();
    try {
      return act(this.file);
    } finally {
      this.file.leave();
    }
  }

  /** The bytes that a READ answers. @throws Error for an errno */
  read(offset: number, length: number): Uint8Array {
    return this.request((file) => {
      this.iovecs.clear();
      const count = file.read(offset, length, this.iovecs);
      if (count < 0) throw new Error(`read: ${count}`);
      const bytes = new Uint8Array(count);
      let done = 0;
      for (let i = 0; i < this.iovecs.count; i++) {
        const [address, partBytes] = this.iovec(i);
        bytes.set(this.fake.at(address, partBytes), done);
        done += partBytes;
      }
      if (done !== count) throw new Error(`read: ${count} bytes answered, ${done} in the list`);
      return bytes;
    });
  }

  /** Entries of the list of the last `read`. */
  get runs(): number {
    return this.iovecs.count;
  }

  write(offset: number, bytes: Uint8Array): number {
    const source = this.fake.bufferAddress(this.thread);
    this.fake.at(source, bytes.length).set(bytes);
    return this.request((file) => file.write(offset, bytes.length, source));
  }

  discard(offset: number, length: number): number {
    return this.request((file) => file.discard(offset, length));
  }

  reserve(offset: number, length: number): number {
    return this.request((file) => file.reserve(offset, length));
  }

  /** Ends as a clean unmount does, and opens again. */
  reopen(options: OpenOptions = {}): TestPool {
    closePool(this.pool);
    return openPool(this.fake, { atomicWrites: this.view.atomicWrites, ...options });
  }

  /** Pages that the account says the backing holds. */
  get accountedPages(): number {
    const { used, limbo, metadata, stock } = this.pool.account;
    return used + limbo + metadata + stock;
  }

  private iovec(i: number): readonly [number, number] {
    const words = new Uint32Array(this.iovecWords.buffer, i * 16, 4);
    return [words[0] + words[1] * 2 ** 32, words[2] + words[3] * 2 ** 32];
  }
}

/** `blocks` whole blocks of the byte `value`. */
export function blocksOf(value: number, blocks = 1): Uint8Array {
  return new Uint8Array(blocks * PAGE_BYTES).fill(value);
}
