/**
 * One thread of the stress: random operations in rounds, each noted with its
 * begin and end. After a round, when nothing runs, the threads share the blocks
 * among themselves and check their histories; the first checks the account.
 */
import { parentPort, workerData } from "node:worker_threads";
import { ENOSPC } from "../../../src/base/errno.js";
import { IovecList, MAX_IOVECS } from "../../../src/base/iovec.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { FakeMemory, type FakeMemoryState } from "../../support/fakeMemory.js";
import { Random } from "../../support/random.js";
import { joinPool, type TestPool, type TestShared } from "../../support/testPool.js";
import { Barrier } from "./barrier.js";
import { BlockHistories, stampOf } from "./blockHistory.js";
import { BLOCK_WORDS, History, MAYBE, READ, WRITE } from "./history.js";
import { quietFaults } from "./quiet.js";

export interface ThreadInput {
  readonly memory: FakeMemoryState;
  readonly common: TestShared;
  readonly barrier: Int32Array;
  readonly histories: readonly Int32Array[];
  /** What each block held at the last quiet moment. */
  readonly contents: Int32Array;
  /** Number of this thread, from 0; in the pool it is one more. */
  readonly slot: number;
  readonly seed: number;
  readonly operations: number;
  readonly atomicWrites: boolean;
  /** Without writes and discards of parts of blocks. */
  readonly wholeBlocks: boolean;
}

export interface ThreadOutput {
  readonly faults: readonly string[];
  readonly operations: number;
  readonly reads: number;
  readonly writes: number;
  readonly discards: number;
  readonly shortages: number;
  /** Reads that saw two values in one block. */
  readonly tornReads: number;
}

const ROUND_OPERATIONS = 2000;
/** Every so many rounds have writes and discards of parts of blocks: they make many words to check. */
const PARTIAL_ROUNDS = 4;
/** Where parts begin and end: few, for the same reason. In words. */
const PARTIAL_EDGES = [1, 128, 511, 512, 1000, 1023];
const MOST_BLOCKS = 6;
/** Blocks that half of all operations go to. */
const HOT_BLOCKS = 4;

class Stresser {
  private readonly fake: FakeMemory;
  private readonly pool: TestPool;
  private readonly barrier: Barrier;
  private readonly history: History;
  private readonly histories: readonly History[];
  private readonly checker: BlockHistories;
  private readonly random: Random;
  private readonly words: Int32Array;
  private readonly source: Int32Array;
  private readonly iovecWords = new Int32Array(MAX_IOVECS * 4);
  private readonly iovecs = new IovecList(this.iovecWords);
  private readonly blocks: number;
  private sequence = 0;
  private hasPartial = false;
  readonly faults: string[] = [];
  readonly counts = { operations: 0, reads: 0, writes: 0, discards: 0, shortages: 0, tornReads: 0 };

  constructor(private readonly input: ThreadInput) {
    this.fake = FakeMemory.attach(input.memory);
    this.pool = joinPool(this.fake, input.common, input.slot + 1, this.fake, input.atomicWrites);
    this.barrier = new Barrier(input.barrier, input.histories.length);
    this.histories = input.histories.map((words) => new History(words));
    this.history = this.histories[input.slot] as History;
    this.blocks = this.pool.pool.blocks;
    this.checker = new BlockHistories(this.histories, this.blocks);
    this.random = new Random(input.seed ^ Math.imul(input.slot + 1, 0x9e3779b9));
    this.words = new Int32Array(this.fake.bytes.buffer);
    const source = this.fake.at(this.fake.bufferAddress(input.slot + 1), MOST_BLOCKS * PAGE_BYTES);
    this.source = new Int32Array(source.buffer, source.byteOffset, MOST_BLOCKS * BLOCK_WORDS);
  }

  run(): void {
    for (let round = 0; this.counts.operations < this.input.operations; round++) {
      this.hasPartial = !this.input.wholeBlocks && round % PARTIAL_ROUNDS === 0;
      this.history.clear();
      const end = Math.min(this.input.operations, this.counts.operations + ROUND_OPERATIONS);
      while (this.counts.operations < end && this.faults.length === 0) {
        if (!this.history.isFull) this.act();
        this.counts.operations++;
      }
      if (!this.meet()) return;
      this.checkRound();
      if (!this.meet()) return;
    }
  }

  giveUp(): void {
    this.barrier.giveUp();
  }

  /** @returns false when this thread or another has found something */
  private meet(): boolean {
    if (this.faults.length > 0) this.giveUp();
    return this.barrier.meet();
  }

  private act(): void {
    const { random } = this;
    const block = random.chance(0.5) ? random.below(Math.min(HOT_BLOCKS, this.blocks)) : random.below(this.blocks);
    const count = Math.min(random.chance(0.5) ? 1 : 1 + random.below(MOST_BLOCKS), this.blocks - block);
    const dice = random.below(100);
    if (dice < 40) this.write(block, count);
    else if (dice < 76) this.read(block, count);
    else if (dice < 93) this.discard(block, count);
    else if (dice < 97) this.reserve(block, count);
    else this.sync(dice === 97);
  }

  /** Where an operation on `count` blocks begins and ends within the first and the last, in words. */
  private part(): readonly [number, number] {
    if (!this.hasPartial || this.random.chance(0.8)) return [0, BLOCK_WORDS];
    const [first, second] = [this.random.pick(PARTIAL_EDGES), this.random.pick(PARTIAL_EDGES)];
    return first < second ? [first, second] : [0, BLOCK_WORDS];
  }

  private write(block: number, count: number): void {
    const [first, end] = this.part();
    const sequence = ++this.sequence;
    const from = this.history.count;
    const { slot } = this.input;
    for (let i = 0; i < count; i++) {
      this.source.fill(stampOf(block + i, slot, sequence), i * BLOCK_WORDS, (i + 1) * BLOCK_WORDS);
    }
    const offset = block * PAGE_BYTES + first * 4;
    const bytes = (count - 1) * PAGE_BYTES + (end - first) * 4;
    this.begin();
    const begun = this.barrier.tick();
    const result = this.pool.file.write(offset, bytes, this.fake.bufferAddress(slot + 1) + first * 4);
    const ended = this.barrier.tick();
    this.pool.file.leave();
    const kind = result === bytes ? WRITE : MAYBE;
    for (let i = 0; i < count; i++) {
      const value = stampOf(block + i, slot, sequence);
      this.history.add(kind, block + i, i === 0 ? first : 0, i === count - 1 ? end : BLOCK_WORDS, value, begun);
    }
    this.history.endAll(from, ended);
    this.counts.writes++;
    if (result === -ENOSPC) this.counts.shortages++;
    else if (result !== bytes) this.faults.push(`write of ${bytes} bytes at ${offset}: ${result}`);
  }

  private read(block: number, count: number): void {
    const from = this.history.count;
    this.begin();
    const begun = this.barrier.tick();
    this.iovecs.clear();
    const result = this.pool.file.read(block * PAGE_BYTES, count * PAGE_BYTES, this.iovecs);
    let done = 0;
    for (let i = 0; i < this.iovecs.count; i++) done += this.look(i, block * BLOCK_WORDS + done, begun);
    const ended = this.barrier.tick();
    this.pool.file.leave();
    this.history.endAll(from, ended);
    this.counts.reads++;
    if (this.history.count - from !== count) this.torn(block, count);
    if (result !== count * PAGE_BYTES || done !== count * BLOCK_WORDS) {
      this.faults.push(`read of ${count} blocks at ${block}: ${result}, ${done} words in the list`);
    }
  }

  /** Notes what entry `i` of the list holds, which is the file from word `fileWord` on. @returns its words */
  private look(i: number, fileWord: number, begun: number): number {
    const words = new Uint32Array(this.iovecWords.buffer, i * 16, 4);
    const address = (words[0] as number) + (words[1] as number) * 2 ** 32;
    const lengthBytes = words[2] as number;
    const at = this.fake.at(address, lengthBytes).byteOffset / 4;
    const length = lengthBytes / 4;
    for (let word = 0; word < length; ) {
      const value = this.words[at + word] as number;
      const first = (fileWord + word) % BLOCK_WORDS;
      const most = Math.min(BLOCK_WORDS - first, length - word);
      let same = 1;
      while (same < most && this.words[at + word + same] === value) same++;
      this.history.add(READ, Math.floor((fileWord + word) / BLOCK_WORDS), first, first + same, value, begun);
      word += same;
    }
    return length;
  }

  private torn(block: number, count: number): void {
    this.counts.tornReads++;
    const { atomicWrites, wholeBlocks } = this.input;
    if (atomicWrites && wholeBlocks)
      this.faults.push(`a read of ${count} blocks at ${block} saw two writes in one block`);
  }

  private discard(block: number, count: number): void {
    const [first, end] = this.part();
    const from = this.history.count;
    const offset = block * PAGE_BYTES + first * 4;
    const bytes = (count - 1) * PAGE_BYTES + (end - first) * 4;
    this.begin();
    const begun = this.barrier.tick();
    const result = this.pool.file.discard(offset, bytes);
    const ended = this.barrier.tick();
    this.pool.file.leave();
    const kind = result === 0 ? WRITE : MAYBE;
    for (let i = 0; i < count; i++) {
      this.history.add(kind, block + i, i === 0 ? first : 0, i === count - 1 ? end : BLOCK_WORDS, 0, begun);
    }
    this.history.endAll(from, ended);
    this.counts.discards++;
    // To zero a part of a block takes a page where writes are atomic.
    if (result === -ENOSPC && this.input.atomicWrites) this.counts.shortages++;
    else if (result !== 0) this.faults.push(`discard of ${bytes} bytes at ${offset}: ${result}`);
  }

  private reserve(block: number, count: number): void {
    this.begin();
    const result = this.pool.file.reserve(block * PAGE_BYTES, count * PAGE_BYTES);
    this.pool.file.leave();
    if (result === -ENOSPC) this.counts.shortages++;
    else if (result !== 0) this.faults.push(`reserve of ${count} blocks at ${block}: ${result}`);
  }

  private sync(settles: boolean): void {
    if (settles) {
      // As housekeeping does it, outside of any request.
      const errno = this.pool.pool.flushAndDrain();
      if (errno !== 0) this.faults.push(`settle: ${errno}`);
      return;
    }
    this.begin();
    const result = this.pool.file.flush();
    this.pool.file.leave();
    if (result !== 0) this.faults.push(`flush: ${result}`);
  }

  private begin(): void {
    this.fake.beginRequest();
    this.pool.file.enter();
  }

  /** Nothing runs: all threads are between two meetings. */
  private checkRound(): void {
    const { input, checker, faults } = this;
    const isMine = (block: number): boolean => block % this.histories.length === input.slot;
    checker.gather(isMine);
    for (let block = input.slot; block < this.blocks; block += this.histories.length) {
      const before = input.contents.subarray(block * BLOCK_WORDS, (block + 1) * BLOCK_WORDS);
      const page = this.pool.pool.index.get(block);
      // A hole has no words: those of the zero region stand for it.
      const at = (page === 0 ? this.fake.pageCount : page) * BLOCK_WORDS;
      const after = this.words.subarray(at, at + BLOCK_WORDS);
      const fault = checker.check(block, before, after);
      if (fault !== null) faults.push(fault);
      before.set(after);
    }
    if (input.slot !== 0) return;
    faults.push(...quietFaults(this.pool));
    this.barrier.resetTime();
  }
}

const stresser = new Stresser(workerData as ThreadInput);
try {
  stresser.run();
} catch (error) {
  stresser.faults.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  stresser.giveUp();
}
parentPort?.postMessage({ ...stresser.counts, faults: stresser.faults } satisfies ThreadOutput);
