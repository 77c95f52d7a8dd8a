/** A pool served: random requests, unmounts, kills and power cuts, watched all the time. */
import { ENOSPC } from "../../../src/base/errno.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import type { ServedFile } from "../../../src/blockfile/servedFile.js";
import { closePool } from "../../../src/pool/probe.js";
import { STATE_CLEAN } from "../../../src/pool/superblock.js";
import type { Random } from "../../support/random.js";
import { type CrashMemory, Killed } from "./crashMemory.js";
import { judgeServed, type OpenPool, openPool, promisedAsFound, superblockOf, Violation } from "./judge.js";
import { PlainMemory } from "./plainMemory.js";
import { Promised } from "./promise.js";
import { blocksOf, formatted, type PoolShape, type Run, stamp } from "./run.js";
import { Watcher } from "./watcher.js";

const STEPS = 50;
const MOST_BLOCKS = 4;

class ServedRun {
  private readonly memory: CrashMemory;
  private readonly watcher: Watcher;
  private readonly atomicWrites: boolean;
  private readonly unitBytes: number;
  private readonly weights: readonly number[];
  private promised: Promised;
  private open: OpenPool;
  private writeNo: number;

  constructor(
    shape: PoolShape,
    private readonly random: Random,
    private readonly note: (what: string) => void,
  ) {
    this.memory = formatted(shape);
    this.atomicWrites = shape.atomicWrites === true;
    this.unitBytes = this.atomicWrites ? PAGE_BYTES : shape.kind === "file" ? 512 : 8;
    this.promised = new Promised(blocksOf(shape), shape.maxBlocks);
    if (shape.full === true) {
      this.promised.reserve(0, this.promised.sizeBlocks * PAGE_BYTES);
      this.promised.flushed();
    }
    this.writeNo = random.below(2 ** 30);
    this.weights = [40, 25, 6, 6, 8, 5, 4, 3, 3].map((weight) => weight * (0.2 + random.next()));
    this.watcher = new Watcher(this.memory, random, (left, crash) => {
      judgeServed(left, this.promised, crash, this.unitBytes);
    });
    this.open = this.mount();
  }

  get states(): number {
    return this.watcher.states;
  }

  step(): void {
    const acts = [
      () => this.write(),
      () => this.discard(),
      () => this.reserve(),
      () => this.resize(),
      () => this.flush(),
      () => this.settle(),
      () => this.reopen(),
      () => this.kill(),
      () => this.cutPower(),
    ];
    if (this.random.chance(0.04)) this.memory.killAfter = this.random.below(12);
    try {
      (acts[this.pickAct()] as () => void)();
      this.memory.moment();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.memory.killAfter = Number.POSITIVE_INFINITY;
      this.kill();
    }
    this.memory.killAfter = Number.POSITIVE_INFINITY;
  }

  private pickAct(): number {
    let dice = this.random.next() * this.weights.reduce((sum, weight) => sum + weight, 0);
    for (let i = 0; i < this.weights.length; i++) {
      dice -= this.weights[i] as number;
      if (dice < 0) return i;
    }
    return 0;
  }

  private range(): readonly [number, number] {
    const { random, promised } = this;
    const block = random.below(Math.max(1, promised.sizeBlocks));
    // Mostly a few blocks only, so that they are used again and again.
    const at = (random.chance(0.7) ? block % 8 : block) * PAGE_BYTES;
    if (random.chance(0.6)) return [at, PAGE_BYTES * (1 + random.below(MOST_BLOCKS))];
    return [at + random.below(PAGE_BYTES), 1 + random.below(MOST_BLOCKS * PAGE_BYTES)];
  }

  private request(act: (file: ServedFile) => number): number {
    const { file } = this.open;
    file.enter();
    const result = act(file);
    file.leave();
    // Not answered yet: of its last stores some may be missing.
    this.memory.moment();
    return result;
  }

  private write(): void {
    const [offset, length] = this.range();
    this.writeNo = (this.writeNo + 1) >>> 0;
    const bytes = stamp(this.memory.sourceBytes, offset, length, this.writeNo);
    this.note(`write of ${this.writeNo.toString(16)} at ${offset}, ${length} bytes`);
    this.promised.write(offset, bytes);
    this.answered(
      offset,
      length,
      this.request((file) => file.write(offset, length, this.memory.sourceAddress)),
    );
  }

  private discard(): void {
    const [offset, length] = this.range();
    this.note(`discard at ${offset}, ${length} bytes`);
    this.promised.discard(offset, length);
    this.answered(
      offset,
      length,
      this.request((file) => file.discard(offset, length)),
    );
  }

  private reserve(): void {
    const [offset, length] = this.range();
    this.note(`reserve at ${offset}, ${length} bytes`);
    this.promised.reserve(offset, length);
    this.answered(
      offset,
      length,
      this.request((file) => file.reserve(offset, length)),
    );
  }

  /** A request that was refused leaves each block old or new: which, the pool says. */
  private answered(offset: number, length: number, result: number): void {
    const isPastEnd = offset >= this.promised.sizeBlocks * PAGE_BYTES;
    if (result < 0 && result !== -ENOSPC && !isPastEnd) throw new Violation(`errno ${-result}`);
    if (result < 0) this.takeAsFound(Math.floor(offset / PAGE_BYTES), Math.ceil((offset + length) / PAGE_BYTES));
    this.promised.acknowledge();
  }

  private takeAsFound(from: number, end: number): void {
    const { pool } = this.open;
    for (const block of this.promised.histories.keys()) {
      if (block < from || block >= end) continue;
      const page = block < pool.blocks ? pool.index.get(block) : 0;
      const at = page * PAGE_BYTES;
      this.promised.add(block, page === 0 ? null : Buffer.from(this.memory.bytes.subarray(at, at + PAGE_BYTES)));
    }
  }

  private resize(): void {
    const { random, promised } = this;
    const most = random.chance(0.8) ? Math.min(promised.maxBlocks, 34) : promised.maxBlocks;
    const blocks = random.below(most + 1);
    this.note(`resize to ${blocks} blocks`);
    promised.resize(blocks);
    const result = this.request((file) => file.resize(blocks * PAGE_BYTES));
    if (result !== 0) throw new Violation(`resize: errno ${-result}`);
    promised.acknowledge();
  }

  private flush(): void {
    this.note("flush");
    const result = this.request((file) => file.flush());
    if (result !== 0) throw new Violation(`flush: errno ${-result}`);
    this.promised.flushed();
  }

  private settle(): void {
    this.note("settle");
    if (this.open.pool.flushAndDrain() !== 0) throw new Violation("settle failed");
  }

  private reopen(): void {
    this.note("unmount and mount");
    closePool(this.open.pool);
    this.promised.flushed();
    if (superblockOf(this.memory).state !== STATE_CLEAN) throw new Violation("closed, and not clean");
    this.memory.moment();
    this.open = this.mount();
  }

  private kill(): void {
    this.note("kill and mount");
    this.memory.moment();
    const left = new PlainMemory(this.memory.pageCount, this.memory.metadataPages, this.memory.kind);
    this.memory.leaveKilled(left, this.random, true);
    judgeServed(left, this.promised, "killed", this.unitBytes);
    this.open = this.mount();
    this.takeSize();
    this.takeAsFound(0, Number.POSITIVE_INFINITY);
    this.promised.acknowledge();
  }

  private takeSize(): void {
    const { blocks } = this.open.pool;
    if (blocks !== this.promised.sizeBlocks) this.promised.sizes.push(blocks);
  }

  private cutPower(): void {
    this.note("power cut and mount");
    const { memory, random } = this;
    const left = new PlainMemory(memory.pageCount, memory.metadataPages, memory.kind);
    memory.leaveCut(left, random, { metadata: random.next(), data: random.next(), mask: null });
    memory.adopt(left);
    judgeServed(left, this.promised, memory.kind === "store" ? "killed" : "cut", this.unitBytes);
    this.promised = promisedAsFound(memory, this.promised);
    this.open = this.mount();
  }

  private mount(): OpenPool {
    return openPool(this.memory, { atomicWrites: this.atomicWrites, own: true });
  }
}

export function servedRun(shape: PoolShape): Run {
  return (random, note, count) => {
    const run = new ServedRun(shape, random, note);
    for (let step = 0; step < STEPS; step++) {
      try {
        run.step();
      } finally {
        count(run.states);
      }
    }
  };
}
