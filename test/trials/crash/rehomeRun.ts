/** Rehome of pools whose blocks are anywhere, cut off and done again. */
import { UserError } from "../../../src/base/errors.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { rehome } from "../../../src/pool/rehome.js";
import { STATE_CLEAN } from "../../../src/pool/superblock.js";
import type { Random } from "../../support/random.js";
import { type CrashMemory, Killed } from "./crashMemory.js";
import { judgeServed, promisedAsFound, superblockOf, Violation } from "./judge.js";
import { PlainMemory } from "./plainMemory.js";
import { Promised } from "./promise.js";
import { blocksOf, formatted, geometryOf, type PoolShape, type Run, stamp } from "./run.js";
import { Watcher } from "./watcher.js";

const ROUNDS = 3;

/** Maps random blocks to random pages. */
function scatter(memory: CrashMemory, shape: PoolShape, random: Random): Promised {
  const { firstDataPage, dataPages } = geometryOf(shape);
  const promised = new Promised(blocksOf(shape), shape.maxBlocks);
  const pages = Array.from({ length: dataPages }, (_, i) => firstDataPage + i);
  let used = Math.min(promised.sizeBlocks, dataPages - random.below(4));
  for (let block = 0; block < promised.sizeBlocks && used > 0; block++, used--) {
    const page = pages.splice(random.below(pages.length), 1)[0] as number;
    const bytes = stamp(memory.sourceBytes, block * PAGE_BYTES, PAGE_BYTES, random.below(2 ** 30));
    memory.held[1] = 1;
    memory.held[page] = 1;
    bytes.copy(memory.bytes, page * PAGE_BYTES);
    memory.metadataWords(0)[(PAGE_BYTES + 8 * block) / 4] = page;
    promised.write(block * PAGE_BYTES, bytes);
  }
  promised.flushed();
  memory.settleMedia();
  return promised;
}

export function rehomeRun(shape: PoolShape): Run {
  return (random, note, count) => {
    const memory = formatted(shape);
    let promised = scatter(memory, shape, random);
    const watcher = new Watcher(memory, random, (left, crash) => judgeServed(left, promised, crash, PAGE_BYTES));
    for (let round = 0; round < ROUNDS; round++) {
      const batchPages = random.pick([1, 2, 4, 4096]);
      if (round < ROUNDS - 1) memory.killAfter = random.below(80);
      note(`rehome, ${batchPages} pages a batch, killed after ${memory.killAfter} calls`);
      let isKilled = false;
      try {
        rehome(memory, superblockOf(memory), { batchPages });
      } catch (error) {
        if (error instanceof Killed) isKilled = true;
        else if (!(error instanceof UserError && error.message.includes("no page is free"))) throw error;
      }
      memory.killAfter = Number.POSITIVE_INFINITY;
      if (!isKilled && superblockOf(memory).state !== STATE_CLEAN) throw new Violation("it is done and not clean");
      memory.moment();
      if (random.chance(0.7)) {
        const left = new PlainMemory(memory.pageCount, memory.metadataPages, memory.kind);
        memory.leaveCut(left, random, { metadata: random.next(), data: random.next(), mask: null });
        memory.adopt(left);
        judgeServed(left, promised, "cut", PAGE_BYTES);
        promised = promisedAsFound(memory, promised);
      }
      count(watcher.states);
    }
  };
}
