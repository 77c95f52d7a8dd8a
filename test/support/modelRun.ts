/**
 * Does random things to a block file and to a naive one, and compares them
 * after each: results, bytes, holes, counts, and the memory that is held.
 */
import { ENOMEM, ENOSPC, errnoName } from "../../src/base/errno.js";
import { PAGE_BYTES } from "../../src/base/units.js";
import { expectBytes } from "./expectBytes.js";
import { NaiveFile } from "./naiveFile.js";
import type { Random } from "./random.js";
import { openPool, type TestPool } from "./testPool.js";
import type { Watch } from "./watchedMemory.js";

export interface ModelOptions {
  readonly watch?: Watch;
  /** ENOSPC and ENOMEM may come although the pool has pages: the memory's own bound. */
  readonly memoryMayRunOut?: boolean;
  /** A write takes pages of its own before it gives any back. */
  readonly atomicWrites?: boolean;
  /** Nothing is ever given back, so the account says nothing about it. */
  readonly holdsAll?: boolean;
  /** Other threads have the pool open too: it is not opened again, nor expected to settle. */
  readonly singleOpening?: boolean;
}

/** The longest write, in blocks. */
const MOST_BLOCKS = 12;
const ALL_OR_NOTHING_ERRNOS = [-ENOSPC, -ENOMEM];

export class ModelRun {
  readonly naive: NaiveFile;
  private stamp = 0;

  constructor(
    public pool: TestPool,
    private readonly random: Random,
    private readonly options: ModelOptions = {},
  ) {
    this.naive = new NaiveFile(pool.pool.blocks, pool.geometry.maxBlocks);
    for (let block = 0; block < pool.pool.blocks; block++) {
      if (pool.pool.index.get(block) === 0) continue;
      this.naive.blocks.set(block, pool.read(block * PAGE_BYTES, PAGE_BYTES));
    }
  }

  /** One random thing, and the comparison. @returns what was done, for the message of a failure */
  step(): string {
    const done = this.doSomething();
    this.compare(done);
    return done;
  }

  private doSomething(): string {
    const dice = this.random.below(100);
    if (dice < 38) return this.write();
    if (dice < 63) return this.discard();
    if (dice < 73) return this.reserve();
    if (dice < 88) return this.readSome();
    if (dice < 92) return this.flush();
    // A smaller file waits for older requests, which would be for ever in the same thread.
    if (this.options.singleOpening === true) return this.flush();
    if (dice < 95) return this.resize();
    if (dice < 97) return this.settle();
    return dice < 98 ? this.killServer() : this.reopen();
  }

  /** Mostly aligned, as file systems do it, and often not. */
  private range(mostBlocks: number): readonly [number, number] {
    // Some go past the end of the file.
    const block = this.random.below(this.naive.sizeBlocks + 1);
    const blocks = 1 + this.random.below(mostBlocks);
    if (this.random.chance(0.4)) return [block * PAGE_BYTES, blocks * PAGE_BYTES];
    const length = 1 + this.random.below(this.random.chance(0.3) ? 600 : blocks * PAGE_BYTES);
    return [block * PAGE_BYTES + this.random.below(PAGE_BYTES), length];
  }

  private write(): string {
    const [offset, length] = this.range(MOST_BLOCKS);
    this.stamp = (this.stamp % 250) + 1;
    const bytes = new Uint8Array(length).fill(this.stamp);
    const needed = this.naive.missing(offset, length);
    const free = this.freePages;
    const result = this.pool.write(offset, bytes);
    const what = `write of ${this.stamp} at ${offset}, ${length} bytes: ${result}`;
    if (offset >= this.naive.sizeBytes) return expectResult(what, result, -27);
    if (result >= 0) {
      expectResult(what, result, Math.min(length, this.naive.sizeBytes - offset));
      this.naive.write(offset, bytes);
      return what;
    }
    this.expectShortage(what, result, needed > free);
    const wanted = this.naive.copy();
    wanted.write(offset, bytes);
    this.takeEachBlockOldOrNew(what, offset, length, wanted);
    return what;
  }

  /** After a shortage a block is all as it was or all as it should be; the naive file follows the real one. */
  private takeEachBlockOldOrNew(what: string, offset: number, length: number, wanted: NaiveFile): void {
    const first = Math.floor(offset / PAGE_BYTES);
    const end = Math.ceil(Math.min(offset + length, this.naive.sizeBytes) / PAGE_BYTES);
    for (let block = first; block < end; block++) {
      const now = Buffer.from(this.pool.read(block * PAGE_BYTES, PAGE_BYTES));
      const isNew = now.equals(wanted.read(block * PAGE_BYTES, PAGE_BYTES));
      if (!isNew && !now.equals(this.naive.read(block * PAGE_BYTES, PAGE_BYTES))) {
        throw new Error(`${what}: block ${block} is neither old nor new`);
      }
      const isMapped = this.pool.pool.index.get(block) !== 0;
      if (isMapped) this.naive.blocks.set(block, Uint8Array.from(now));
      else if (!wanted.blocks.has(block)) this.naive.blocks.delete(block);
      else if (this.naive.blocks.has(block)) throw new Error(`${what}: block ${block} was lost`);
    }
  }

  private discard(): string {
    const [offset, length] = this.range(this.random.chance(0.1) ? this.naive.sizeBlocks : MOST_BLOCKS);
    const result = this.pool.discard(offset, length);
    const what = `discard at ${offset}, ${length} bytes: ${result}`;
    const wanted = this.naive.copy();
    wanted.discard(offset, length);
    if (result !== 0 && this.options.atomicWrites === true) {
      this.expectShortage(what, result, true);
      this.takeEachBlockOldOrNew(what, offset, length, wanted);
      return what;
    }
    expectResult(what, result, 0);
    this.naive.discard(offset, length);
    return what;
  }

  private reserve(): string {
    const [offset, length] = this.range(MOST_BLOCKS);
    const needed = this.naive.missing(offset, length);
    const free = this.freePages;
    const result = this.pool.reserve(offset, length);
    const what = `reserve at ${offset}, ${length} bytes: ${result}`;
    if (result === 0) {
      this.naive.reserve(offset, length);
      return what;
    }
    this.expectShortage(what, result, needed > free);
    // A part may be reserved: it reads as before.
    for (let at = offset; at < Math.min(offset + length, this.naive.sizeBytes); at += PAGE_BYTES - (at % PAGE_BYTES)) {
      if (this.pool.pool.index.get(Math.floor(at / PAGE_BYTES)) !== 0) this.naive.reserve(at, 1);
    }
    return what;
  }

  private expectShortage(what: string, result: number, isShort: boolean): void {
    if (!ALL_OR_NOTHING_ERRNOS.includes(result)) throw new Error(`${what}: ${errnoName(-result)} is no shortage`);
    if (!isShort && this.options.memoryMayRunOut !== true && this.options.atomicWrites !== true)
      throw new Error(`${what}: there were pages enough`);
  }

  private get freePages(): number {
    return this.pool.geometry.dataPages - this.naive.blocks.size;
  }

  private readSome(): string {
    const [offset, length] = this.range(this.naive.sizeBlocks);
    const what = `read at ${offset}, ${length} bytes`;
    expectBytes(this.pool.read(offset, length), this.naive.read(offset, length), what);
    for (const wantsData of [true, false]) {
      const found = this.pool.request((file) => (wantsData ? file.seekData(offset) : file.seekHole(offset)));
      const expected = this.naive.seek(offset, wantsData);
      expectResult(`seek for ${wantsData ? "data" : "a hole"} at ${offset}`, found, expected === -1 ? -6 : expected);
    }
    return what;
  }

  private resize(): string {
    const blocks = 1 + this.random.below(this.naive.maxBlocks);
    const what = `resize to ${blocks} blocks`;
    expectResult(
      what,
      this.pool.request((file) => file.resize(blocks * PAGE_BYTES)),
      0,
    );
    this.naive.resize(blocks);
    return what;
  }

  private flush(): string {
    expectResult(
      "flush",
      this.pool.request((file) => file.flush()),
      0,
    );
    return "flush";
  }

  private settle(): string {
    expectResult("settle", this.pool.pool.flushAndDrain(), 0);
    expectResult("pages in limbo after settle", this.pool.pool.account.limbo, 0);
    return "settle";
  }

  private reopen(): string {
    this.pool = this.pool.reopen({ watch: this.options.watch });
    return "close and open";
  }

  private killServer(): string {
    const { watch, atomicWrites } = this.options;
    this.pool = openPool(this.pool.fake, { watch, atomicWrites });
    return "kill and open";
  }

  private compare(after: string): void {
    const { pool, naive } = this;
    expectResult(`${after}: size`, pool.file.sizeBytes, naive.sizeBytes);
    expectBytes(pool.read(0, naive.sizeBytes), naive.read(0, naive.sizeBytes), after);
    for (let block = 0; block < naive.maxBlocks; block++) {
      if ((pool.pool.index.get(block) !== 0) !== naive.blocks.has(block)) {
        throw new Error(`${after}: block ${block} is ${naive.blocks.has(block) ? "a hole" : "mapped"}`);
      }
    }
    const { used, limbo, free } = pool.pool.account;
    expectResult(`${after}: mapped bytes`, pool.file.mappedBytes, naive.blocks.size * PAGE_BYTES);
    expectResult(`${after}: used, limbo and free pages`, used + limbo + free, pool.geometry.dataPages);
    const held = this.options.holdsAll === true ? pool.geometry.pageCount : pool.accountedPages;
    // Pages of a fill that failed wait in limbo like others, but some of them never held memory.
    const isExact = limbo === 0 || this.options.memoryMayRunOut !== true;
    if (isExact || pool.fake.heldPages > held) expectResult(`${after}: pages held`, pool.fake.heldPages, held);
    const stray = pool.fake.strayStores();
    if (stray.length > 0) throw new Error(`${after}: stores to pages without memory: ${stray.join(", ")}`);
  }
}

/** @returns `what`, when the result is as expected */
function expectResult(what: string, found: number, expected: number): string {
  if (found !== expected) throw new Error(`${what}: found ${found}, expected ${expected}`);
  return what;
}

/** Runs `steps` steps; a failure tells the last ones. */
export function runModel(run: ModelRun, steps: number): void {
  const last: string[] = [];
  for (let step = 0; step < steps; step++) {
    try {
      last.push(run.step());
      if (last.length > 8) last.shift();
    } catch (cause) {
      const message = `step ${step}: ${(cause as Error).message}\nbefore it:\n  ${last.join("\n  ")}`;
      throw new Error(message, { cause });
    }
  }
}
