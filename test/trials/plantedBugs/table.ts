/**
 * The bugs by which the crash simulator is proven. Left out, as no crash that can
 * happen shows them: a fresh page that is not zeroed around a small write (free
 * pages hold zeros or nothing; the unit tests show it), a `direct` that is stored
 * before a sync (the probe before it has synced; its length is used instead), and a
 * `clean` that is stored before the flush (storing it syncs; limbo is used instead).
 */
import type { PlantedBug } from "../../support/planted.js";

const mapHoles = "src/pool/mapHoles.ts";
const blockFile = "src/blockfile/blockFile.ts";
const rewriteBlocks = "src/pool/rewriteBlocks.ts";
const directFile = "src/blockfile/directFile.ts";
const reclaim = "src/pool/reclaim.ts";
const limbo = "src/pool/limbo.ts";
const probe = "src/pool/probe.ts";
const format = "src/pool/format.ts";
const store = "src/pool/superblockStore.ts";
const direct = "src/pool/direct.ts";
const moves = "src/pool/moves.ts";

const freeAtOnce = (first: string, count: string): string =>
  `{ this_.memory.release(${first}, ${count}); this_.account.pagesToLimbo(${count}); ` +
  `this_.allocator.free(${first}, ${count}); this_.account.pagesFreed(${count}); }`;

export interface NamedBug extends PlantedBug {
  readonly name: string;
}

export const plantedBugs: readonly NamedBug[] = [
  {
    name: "an entry is published before its page is filled",
    file: mapHoles,
    find: "  errno = define(pool, page, count, headBytes, source, bytes);\n  if (errno === ENOSPC) {",
    replace:
      "  for (let i = 0; i < count; i++) pool.index.replace(block + i, 0, page + i);\n" +
      "  errno = define(pool, page, count, headBytes, source, bytes);\n" +
      "  for (let i = 0; i < count; i++) pool.index.replace(block + i, page + i, 0);\n  if (errno === ENOSPC) {",
  },
  {
    name: "a write maps a block more than it has pages",
    file: mapHoles,
    find: "Math.min(count, pool.blocks - block);",
    replace: "Math.min(count + 1, most, pool.blocks - block);",
  },
  {
    name: "flush does nothing",
    file: reclaim,
    find: "    return this.memory.durable ? this.syncCleared() : 0;",
    replace: "    return 0;",
  },
  {
    name: "flush syncs only where something was discarded",
    file: reclaim,
    find: "    return this.memory.durable ? this.syncCleared() : 0;",
    replace: "    return this.limbo.isEmpty() ? 0 : this.syncCleared();",
  },
  {
    name: "a discarded page is free at once",
    file: reclaim,
    find: "    if (runCount > 0) this.limbo.add(runFirst, runCount, epoch);\n    this.index.persist(from, end);",
    replace: `    if (runCount > 0) ${freeAtOnce("runFirst", "runCount").replaceAll("this_", "this")}\n    this.index.persist(from, end);`,
  },
  {
    name: "limbo leaves before the cleared entries are on the media",
    file: reclaim,
    find: "      if (this.media.sync() !== 0) return;\n",
    replace: "",
  },
  {
    name: "a page is used again before its punch is on the media",
    file: limbo,
    find: "    if (this.memory.durable && this.media.sync() !== 0) return 0;\n",
    replace: "",
  },
  {
    name: "pages leave limbo without a punch",
    file: limbo,
    find: "const errno = this.memory.release(page, count) &&",
    replace: "const errno = page < 0 ? 1 : 0 &&",
  },
  {
    name: "a mount does not store dirty",
    file: probe,
    find: "    writeState(parts.memory, STATE_DIRTY);\n",
    replace: "",
  },
  {
    name: "an unmount gives a data page back",
    file: probe,
    find: "  pool.becomeSole();",
    replace: "  pool.becomeSole();\n  pool.memory.release(pool.geometry.firstDataPage, 1);",
  },
  {
    name: "strays are given back before the media are settled",
    file: probe,
    find: "    settleMedia(parts.memory, superblock);\n",
    replace: "",
  },
  {
    name: "what a killed process stored is not persisted at probe",
    file: probe,
    find: "  memory.persist(0, (state === STATE_CLEAN ? 1 : geometry.firstDataPage) * PAGE_BYTES);\n",
    replace: "",
  },
  {
    name: "strays stay",
    file: probe,
    find: "    if (canPunch && (superblock.state !== STATE_CLEAN || grainPages === 1)) releaseStrays(parts.memory, pool);\n",
    replace: "",
  },
  {
    name: "format says clean first",
    file: format,
    find: "generation, state: STATE_FORMATTING }",
    replace: "generation, state: STATE_CLEAN }",
  },
  {
    name: "format leaves the index",
    file: format,
    find: '  must(memory.release(1, geometry.indexPages), "index");\n',
    replace: "",
  },
  {
    name: "format writes both copies of the superblock without a sync between",
    file: format,
    find: "state: STATE_FORMATTING }), ",
    replace: "state: STATE_FORMATTING }, () => 0), ",
  },
  {
    name: "format says clean before the rest is on the media",
    file: format,
    find: '  must(memory.sync(), "pool");\n',
    replace: "",
  },
  {
    name: "the superblock is always written to the same copy",
    file: "src/pool/superblock.ts",
    find: "return COPY_OFFSETS[generation % COPY_OFFSETS.length];",
    replace: "return COPY_OFFSETS[generation * 0];",
  },
  {
    name: "the superblock's generation stands still",
    file: store,
    find: "const generation = generationAfter(page) ?? newest.generation + 1;",
    replace: "const generation = newest.generation;",
  },
  {
    name: "entries are not persisted",
    file: "src/pool/indexTable.ts",
    find: "if (!this.memory.needsPersist || from >= end) return;",
    replace: "if (from >= 0) return;",
  },
  {
    name: "the superblock is not persisted",
    file: store,
    find: "  memory.metadataWords(0).set(words, at / 4);\n  memory.persist(at, COPY_BYTES);",
    replace: "  memory.metadataWords(0).set(words, at / 4);",
  },
  {
    name: "a smaller size is stored before what it cuts off is discarded",
    file: blockFile,
    find: "this.discardBlocks(blocks, oldBlocks) || this.flush();",
    replace: "this.pool.resize(blocks) || this.discardBlocks(blocks, oldBlocks);",
  },
  {
    name: "a smaller size is stored before the discard is on the media",
    file: blockFile,
    find: "this.discardBlocks(blocks, oldBlocks) || this.flush();",
    replace: "this.discardBlocks(blocks, oldBlocks);",
  },
  {
    name: "direct: data gets its length before the state says so",
    file: direct,
    find: "memory.sync() || updateSuperblock(memory, { state: STATE_DIRECT }) || data.setLength(blocks * PAGE_BYTES);",
    replace:
      "memory.sync() || data.setLength(blocks * PAGE_BYTES) || updateSuperblock(memory, { state: STATE_DIRECT });",
  },
  {
    name: "direct: the state changes before the index is on the media",
    file: direct,
    find: "rebuild(memory, data, geometry, blocks) || memory.sync();",
    replace: "rebuild(memory, data, geometry, blocks);",
  },
  {
    name: "direct: data does not get its length back",
    file: direct,
    find: " || data.setLength(diskBytes) || data.setLength(geometry.dataPages * PAGE_BYTES);",
    replace: " || data.setLength(diskBytes);",
  },
  {
    name: "direct: a smaller size is stored after data is cut",
    file: directFile,
    find: "this.storeBlocks(sizeBytes / PAGE_BYTES) || this.data.setLength(sizeBytes);",
    replace: "this.data.setLength(sizeBytes) || this.storeBlocks(sizeBytes / PAGE_BYTES);",
  },
  {
    name: "direct: what was written past the end shows when the disk grows",
    file: directFile,
    find: "      this.data.setLength(this.sizeBytes) ||\n",
    replace: "",
  },
  {
    name: "rehome: entries are swung before the copies are on the media",
    file: moves,
    find: '    must(memory.sync(), "the copies are not on the media");\n',
    replace: "",
  },
  {
    name: "rehome: pages are left before the entries are on the media",
    file: moves,
    find: '    must(memory.sync(), "the index is not on the media");\n',
    replace: "",
  },
  {
    name: "atomic: an entry is swung before its page is on the media",
    file: rewriteBlocks,
    find: "    errno ||= pool.syncData();\n",
    replace: "",
  },
  {
    name: "atomic: the old page is free at once",
    file: rewriteBlocks,
    find: "    pool.abandon(first, run);",
    replace: `    ${freeAtOnce("first", "run").replaceAll("this_", "pool")}`,
  },
  {
    name: "atomic: a write to a part of a block leaves out the rest",
    file: rewriteBlocks,
    find: "memory.fill(page, 1, 0, oldAddress, PAGE_BYTES)",
    replace: "memory.populate(page, 1)",
  },
  {
    name: "atomic: a hole is mapped before its page is on the media",
    file: mapHoles,
    find: "  if (errno === 0 && dataFirst) errno = pool.syncData();\n",
    replace: "",
  },
];
