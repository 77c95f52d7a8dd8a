/** A split pool goes to and fro between the served and direct mode, while power fails. */
import { PAGE_BYTES } from "../../../src/base/units.js";
import type { DirectFile } from "../../../src/blockfile/directFile.js";
import { endDirect, recoverDirect } from "../../../src/pool/directMode.js";
import { allowShrink, PERSISTENT_WORDS } from "../../../src/pool/persistentState.js";
import { closePool } from "../../../src/pool/probe.js";
import { STATE_DIRECT } from "../../../src/pool/superblock.js";
import type { Random } from "../../support/random.js";
import { type CrashMemory, Killed } from "./crashMemory.js";
import { judgeDirect, openDirect } from "./directJudge.js";
import { openPool, superblockOf, Violation } from "./judge.js";
import { dataFileOf, PlainMemory } from "./plainMemory.js";
import { Promised } from "./promise.js";
import { blocksOf, formatted, geometryOf, type PoolShape, type Run, stamp } from "./run.js";
import { Watcher } from "./watcher.js";

const ROUNDS = 4;

class DirectRun {
  readonly watcher: Watcher;
  private readonly memory: CrashMemory;
  private readonly firstByte: number;
  private readonly dataBytes: number;
  private promised: Promised;
  /** Of the mount that is now. */
  private persistentWords = new Int32Array(PERSISTENT_WORDS);

  constructor(
    shape: PoolShape,
    private readonly random: Random,
    private readonly note: (what: string) => void,
  ) {
    this.memory = formatted(shape);
    const { firstDataPage, dataPages } = geometryOf(shape);
    this.firstByte = firstDataPage * PAGE_BYTES;
    this.dataBytes = dataPages * PAGE_BYTES;
    this.promised = new Promised(blocksOf(shape), shape.maxBlocks);
    this.watcher = new Watcher(this.memory, random, (left, crash) => {
      judgeDirect(left, this.promised, crash, random.pick(["served", "direct"]));
    });
  }

  round(): void {
    if (this.random.chance(0.5)) this.memory.killAfter = this.random.below(60);
    try {
      this.serve();
      this.direct();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.note("killed");
      this.memory.killAfter = Number.POSITIVE_INFINITY;
      this.cutPower();
    }
    this.memory.killAfter = Number.POSITIVE_INFINITY;
    this.memory.moment();
  }

  private serve(): void {
    const { memory, random, promised } = this;
    const { state, geometry, blocks } = superblockOf(memory);
    if (state === STATE_DIRECT) {
      // One in two goes on in direct mode.
      if (random.chance(0.5)) return;
      this.note("recovery");
      if (recoverDirect(memory, dataFileOf(memory), geometry, blocks) !== 0) throw new Violation("no recovery");
    }
    this.note("served");
    const { pool, file } = openPool(memory, { atomicWrites: false, own: true });
    for (let i = 0; i < 4; i++) {
      const offset = random.below(promised.sizeBlocks) * PAGE_BYTES;
      if (random.chance(0.7)) {
        promised.write(offset, stamp(memory.sourceBytes, offset, PAGE_BYTES, random.below(2 ** 30)));
        file.write(offset, PAGE_BYTES, memory.sourceAddress);
      } else {
        promised.discard(offset, PAGE_BYTES);
        file.discard(offset, PAGE_BYTES);
      }
      memory.moment();
      promised.acknowledge();
      // A block whose home is in limbo would get another page.
      pool.flushAndDrain();
    }
    if (random.chance(0.5)) {
      closePool(pool);
      promised.flushed();
    }
  }

  private direct(): void {
    this.note("into direct mode");
    this.persistentWords = new Int32Array(PERSISTENT_WORDS);
    const file = openDirect(this.memory, this.persistentWords);
    for (let i = 0; i < 8; i++) {
      this.act(file);
      this.memory.moment();
      this.promised.acknowledge();
    }
    if (this.random.chance(0.2)) {
      this.cutPower();
      return;
    }
    this.note("out of direct mode");
    const { geometry, blocks } = superblockOf(this.memory);
    if (endDirect(this.memory, dataFileOf(this.memory), geometry, blocks) !== 0) throw new Violation("no end");
    this.promised.flushed();
  }

  private act(file: DirectFile): void {
    const { random, promised } = this;
    const offset = random.below(promised.sizeBlocks) * PAGE_BYTES + (random.chance(0.3) ? random.below(4096) : 0);
    const length = random.chance(0.5) ? PAGE_BYTES : 1 + random.below(3 * PAGE_BYTES);
    const dice = random.below(100);
    if (dice < 45) this.kernelWrites(offset, length);
    else if (dice < 50) this.kernelWrites(promised.sizeBlocks * PAGE_BYTES - 1024, 3 * PAGE_BYTES);
    else if (dice < 70) {
      this.note(`discard at ${offset}, ${length} bytes`);
      promised.discard(offset, length);
      this.answered(file.discard(offset, length));
    } else if (dice < 75) {
      promised.reserve(offset, length);
      this.answered(file.reserve(offset, length));
    } else if (dice < 85) {
      const blocks = 1 + random.below(promised.maxBlocks);
      this.note(`resize to ${blocks} blocks`);
      promised.resize(blocks);
      allowShrink(this.persistentWords, blocks);
      this.answered(file.resize(blocks * PAGE_BYTES));
    } else if (dice < 90) this.answered(file.keepLength());
    else {
      this.note("flush");
      this.answered(file.flush());
      promised.flushed();
    }
  }

  private answered(result: number): void {
    // An engine that takes a kill for an error of the medium has been killed all the same.
    this.memory.moment();
    if (result !== 0) throw new Violation(`errno ${-result}`);
  }

  private kernelWrites(offset: number, length: number): void {
    const bytes = Math.min(length, this.dataBytes - offset);
    if (bytes <= 0) return;
    this.note(`the kernel writes ${bytes} bytes at ${offset}`);
    const { memory } = this;
    this.promised.write(offset, stamp(memory.sourceBytes, offset, bytes, this.random.below(2 ** 30)));
    memory.kernelWrites(this.firstByte + offset, bytes);
  }

  private cutPower(): void {
    this.note("power cut");
    const { memory, random, promised } = this;
    const left = new PlainMemory(memory.pageCount, memory.metadataPages, memory.kind);
    memory.leaveCut(left, random, { metadata: random.next(), data: random.next(), mask: null });
    memory.adopt(left);
    judgeDirect(left, promised, "cut", "direct");
    this.promised = this.asFound();
  }

  private asFound(): Promised {
    const { memory } = this;
    const { state, blocks } = superblockOf(memory);
    const found = new Promised(blocks, this.promised.maxBlocks);
    const words = memory.metadataWords(0);
    for (let block = 0; block < blocks; block++) {
      const entry = (words[(PAGE_BYTES + 8 * block) / 4] as number) >>> 0;
      const page = state === STATE_DIRECT ? this.firstByte / PAGE_BYTES + block : entry;
      if (page === 0 || (state === STATE_DIRECT && memory.held[page] !== 1)) continue;
      found.add(block, Buffer.from(memory.bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)));
    }
    found.namesHoles = true;
    found.flushed();
    return found;
  }
}

export function directRun(shape: PoolShape): Run {
  return (random, note, count) => {
    const run = new DirectRun(shape, random, note);
    for (let round = 0; round < ROUNDS; round++) {
      try {
        run.round();
      } finally {
        count(run.watcher.states);
      }
    }
  };
}
