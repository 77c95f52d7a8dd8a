/** Format over nothing, over nonsense and over an old pool, cut off at any point. */
import { MediaError } from "../../../src/base/errors.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { closePool } from "../../../src/pool/probe.js";
import { STATE_CLEAN, STATE_FORMATTING, type Superblock } from "../../../src/pool/superblock.js";
import type { Random } from "../../support/random.js";
import { CrashMemory } from "./crashMemory.js";
import { type Crash, judgeServed, openPool, superblockOf, Violation } from "./judge.js";
import type { PlainMemory } from "./plainMemory.js";
import { Promised } from "./promise.js";
import { blocksOf, format, geometryOf, type PoolShape, type Run, stamp } from "./run.js";
import { Watcher } from "./watcher.js";

const OLD = 1;
const NEW = 2;
const ROUNDS = 6;

/** A pool with something in it, all of it on the media. @returns what it promises */
function oldPool(memory: CrashMemory, shape: PoolShape, random: Random): Promised {
  format(memory, shape, OLD);
  const promised = new Promised(blocksOf(shape), shape.maxBlocks);
  const { pool, file } = openPool(memory, { atomicWrites: false, own: true });
  for (let i = 0; i < 6; i++) {
    const offset = random.below(promised.sizeBlocks) * PAGE_BYTES;
    const bytes = stamp(memory.sourceBytes, offset, PAGE_BYTES, random.below(2 ** 30));
    if (file.write(offset, PAGE_BYTES, memory.sourceAddress) > 0) promised.write(offset, bytes);
  }
  if (random.chance(0.5)) closePool(pool);
  else file.flush();
  promised.flushed();
  return promised;
}

/** Whoever had the medium before us. */
function scribble(memory: CrashMemory, random: Random): void {
  const pages = memory.kind === "store" ? memory.pageCount : random.below(memory.pageCount);
  for (let at = 0; at < pages * PAGE_BYTES; at += 64) memory.bytes[at] = random.below(256);
  memory.held.fill(1, 0, pages);
}

function found(left: PlainMemory): Superblock | null {
  try {
    return superblockOf(left);
  } catch (error) {
    if (error instanceof MediaError) return null;
    throw error;
  }
}

/** @param from the shape of the old pool, null for none */
export function formatRun(shape: PoolShape, from: PoolShape | null): Run {
  return (random, note, count) => {
    let states = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const metadataPages = Math.max(geometryOf(shape).firstDataPage, geometryOf(from ?? shape).firstDataPage);
      const memory = new CrashMemory(shape.pageCount, metadataPages, shape.kind);
      let old: Promised | null = null;
      if (from !== null) old = oldPool(memory, from, random);
      else if (random.chance(0.5)) scribble(memory, random);
      memory.settleMedia();
      const made = new Promised(blocksOf(shape), shape.maxBlocks);
      if (shape.full === true) made.reserve(0, made.sizeBlocks * PAGE_BYTES);
      made.flushed();
      let isDone = false;
      const judge = (left: PlainMemory, crash: Crash): void => {
        const superblock = found(left);
        if (superblock !== null && superblock.uuid[0] === NEW) {
          if (superblock.state === STATE_FORMATTING && !isDone) return;
          if (superblock.state !== STATE_CLEAN) throw new Violation(`the new pool has state ${superblock.state}`);
          judgeServed(left, made, crash, PAGE_BYTES);
        } else if (isDone) throw new Violation("the format was answered, and the new pool is not there");
        else if (superblock === null && old !== null) throw new Violation("there is no pool any more");
        else if (superblock !== null && old !== null) judgeServed(left, old, crash, PAGE_BYTES);
        else if (superblock !== null) throw new Violation("a pool that nobody made");
      };
      const watcher = new Watcher(memory, random, judge);
      note(from === null ? "format over none" : "format over an old pool");
      format(memory, shape, NEW);
      isDone = true;
      memory.moment();
      states += watcher.states;
      count(states);
    }
  };
}
