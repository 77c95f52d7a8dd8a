/** Bugs of the kind that only threads show. Each is planted alone, and the stress must find it. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type PlantedBug, plantBug } from "../../support/planted.js";
import { stressKinds } from "./kinds.js";
import { runKind } from "./run.js";

interface StressBug extends PlantedBug {
  readonly name: string;
}

const define = `  errno = define(pool, page, count, headBytes, source, bytes);
  if (errno === ENOSPC) {
    // The machine's own bound, not the pool's: what limbo holds may help.
    pool.relieve();
    errno = define(pool, page, count, headBytes, source, bytes);
  }
  if (errno === 0 && dataFirst) errno = pool.syncData();
  if (errno !== 0) {
    pool.abandon(page, count);
    pool.endClaim();
    return -errno;
  }
`;
const publish = `  let published = 0;
  while (published < publishable && pool.index.publish(block + published, page + published)) published++;
`;
const between = `  // The file may have become smaller while a step above waited.
  const publishable = Math.min(count, pool.blocks - block);
`;

export const stressBugs: readonly StressBug[] = [
  {
    name: "published before it is filled",
    file: "src/pool/mapHoles.ts",
    find: define + between + publish,
    replace: `${between}${publish}if (published > 0) errno = define(pool, page, published, headBytes, source, Math.min(published * PAGE_BYTES - headBytes, bytes));\n`,
  },
  {
    name: "a lost race to publish counts as won",
    file: "src/pool/mapHoles.ts",
    find: "pool.index.publish(block + published, page + published)",
    replace: "(pool.index.publish(block + published, page + published) || true)",
  },
  {
    name: "published by a plain store",
    file: "src/pool/indexTable.ts",
    find: "return Atomics.compareExchange(this.windowOf(block), wordOf(block), 0, page | 0) === 0;",
    replace: `const [window, at] = [this.windowOf(block), wordOf(block)];
    if (Atomics.load(window, at) !== 0) return false;
    Atomics.store(window, at, page | 0);
    return true;`,
  },
  {
    name: "cleared by a load and a store, with a little time between",
    file: "src/pool/indexTable.ts",
    find: "if (Atomics.load(window, at) === 0) return 0;\n    return Atomics.exchange(window, at, 0) >>> 0;",
    replace: `const page = Atomics.load(window, at) >>> 0;
    for (let i = 0; i < 200; i++) Atomics.load(window, at);
    Atomics.store(window, at, 0);
    return page;`,
  },
  {
    name: "limbo drains without asking for epochs",
    file: "src/pool/limbo.ts",
    find: " && this.epochs.hasPassed(this.runs[slotOf(at) + 2])",
    replace: "",
  },
  {
    name: "pages leave with the epoch that was open before their entries were cleared",
    file: "src/pool/reclaim.ts",
    find: "const epoch = this.epochs.next();\n    let unmapped = 0;",
    replace: "const epoch = (this.epochs.next() - 1) | 0;\n    let unmapped = 0;",
  },
  {
    name: "a thread leaves its epoch before its reply is out",
    file: "src/blockfile/blockFile.ts",
    find: "const read = Math.max(0, end - offset);",
    replace: "this.pool.leave();\n    const read = Math.max(0, end - offset);",
  },
  {
    name: "a read takes a new epoch between its blocks",
    file: "src/blockfile/blockFile.ts",
    find: "if (this.run.page === 0) this.addZeros(bytes, into);",
    replace: "this.pool.breathe();\n      if (this.run.page === 0) this.addZeros(bytes, into);",
  },
  {
    name: "pages are claimed by a load and a store",
    file: "src/base/bitset.ts",
    find: "const seen = Atomics.compareExchange(this.words, word, old, old | maskOf(bit, run));",
    replace:
      "const seen = Atomics.load(this.words, word);\n      if (seen === old) Atomics.store(this.words, word, old | maskOf(bit, run));",
  },
  {
    name: "pages that lost a race are freed as they are",
    file: "src/pool/reclaim.ts",
    find: "if (this.limbo.room > 0) this.limbo.add(page, count, this.epochs.next());",
    replace:
      "this.account.pagesToLimbo(count);\n    this.allocator.free(page, count);\n    this.account.pagesFreed(count);",
  },
  {
    name: "pages are free before their memory is given back",
    file: "src/pool/limbo.ts",
    find: "if (!this.releaseRun(at)) break;",
    replace: `this.allocator.free(this.runs[slotOf(at)] >>> 0, this.runs[slotOf(at) + 1] >>> 0);
      if (!this.releaseRun(at)) break;
      this.allocator.takeRun(this.runs[slotOf(at)] >>> 0, this.runs[slotOf(at) + 1] >>> 0);`,
  },
  {
    name: "limbo is changed without the mutex",
    file: "src/pool/mutex.ts",
    find: "while (Atomics.exchange(this.words, this.at, CONTENDED) !== FREE) Atomics.wait(this.words, this.at, CONTENDED);",
    replace: "Atomics.store(this.words, this.at, HELD);",
  },
  {
    name: "atomic writes overwrite in place",
    file: "src/blockfile/blockFile.ts",
    find: "if (this.atomicWrites) {",
    replace: "if (this.atomicWrites && at < 0) {",
  },
  {
    name: "an entry swings to the new page whatever it names by now",
    file: "src/pool/rewriteBlocks.ts",
    find: "if (!index.replace(block + swung + run, first + run, page + swung + run)) break;",
    replace: "index.replace(block + swung + run, index.get(block + swung + run), page + swung + run);",
  },
  {
    name: "the page that an entry swung away from is free at once",
    file: "src/pool/rewriteBlocks.ts",
    find: "pool.abandon(first, run);",
    replace:
      "pool.memory.release(first, run);\n    pool.account.pagesToLimbo(run);\n    pool.allocator.free(first, run);\n    pool.account.pagesFreed(run);",
  },
  {
    name: "a shortage is told without waiting for pages on their way",
    file: "src/pool/pool.ts",
    find: "return mark !== null && mark === this.quietMark() && mark === this.epochs.next();",
    replace: "return mark === mark;",
  },
  {
    name: "a discard only zeroes what is mapped",
    file: "src/pool/reclaim.ts",
    find: "const page = this.index.clear(block);",
    replace:
      "const page = this.index.get(block);\n      if (page !== 0) this.memory.zero(page * 4096, 4096);\n      if (this.index.clear(block) !== page) continue;",
  },
];

/** Operations that each kind gets to find a bug. */
const BUDGET = 800_000;
const HANG_MS = 5_000;

/** Prints which kind found which bug, and after how long. @returns whether all were found */
export async function plantedStress(seed: number, threads: number, say: (line: string) => void): Promise<boolean> {
  say(`stress: ${stressBugs.length} planted bugs, seed ${seed}`);
  let found = 0;
  for (const bug of stressBugs) {
    const begun = Date.now();
    const by = await find(bug, seed, threads);
    const seconds = ((Date.now() - begun) / 1000).toFixed(1).padStart(5);
    say(`${by === null ? "MISSED" : "found "} ${seconds} s  ${bug.name}${by === null ? "" : `: ${by}`}`);
    if (by !== null) found++;
  }
  say(
    `trial stress: ${found === stressBugs.length ? "passed" : "FAILED"}, ${found} of ${stressBugs.length} planted bugs found, seed ${seed}`,
  );
  return found === stressBugs.length;
}

async function find(bug: StressBug, seed: number, threads: number): Promise<string | null> {
  const tree = plantBug(bug);
  const script = pathToFileURL(join(tree, "test/trials/stress/thread.js"));
  try {
    for (const kind of stressKinds) {
      const { faults } = await runKind({ kind, threads, seed, operations: BUDGET, script, hangMs: HANG_MS });
      if (faults.length > 0) return `${kind.name}: ${faults[0]}`;
    }
    return null;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
