/** Bugs that were made by hand, of the kinds that validation of media has: each must be found. */
import type { SourceChange } from "./compile.js";

export interface PlantedBug extends SourceChange {
  readonly name: string;
}

const scan = "src/pool/scan.ts";
const superblock = "src/pool/superblock.ts";

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "an entry's range is not checked at its upper end",
    file: scan,
    from: "if (page < geometry.firstDataPage || page >= geometry.pageCount)",
    to: "if (page < geometry.firstDataPage)",
  },
  {
    name: "an entry may name metadata",
    file: scan,
    from: "if (page < geometry.firstDataPage || page >= geometry.pageCount)",
    to: "if (page >= geometry.pageCount)",
  },
  {
    name: "an entry is compared as a signed number",
    file: scan,
    from: "page >= geometry.pageCount)",
    to: "(page | 0) >= geometry.pageCount)",
  },
  {
    name: "an entry's high word is ignored",
    file: scan,
    from: "  if (high !== 0) return",
    to: "  if (high < 0) return",
  },
  {
    name: "padding is ignored",
    file: scan,
    from: 'if (block >= geometry.maxBlocks) return "padding";',
    to: "if (block >= geometry.maxBlocks) return null;",
  },
  {
    name: "an entry behind the file's end is let through",
    file: scan,
    from: "return block >= blocks ?",
    to: "return block > blocks ?",
  },
  {
    name: "duplicates are not told",
    file: "src/pool/probe.ts",
    from: "      return pages;\n    },\n    damaged: (damage, block, page, high) => {",
    to: "      return count;\n    },\n    damaged: (damage, block, page, high) => {",
  },
  {
    name: "the header's pageCount is trusted",
    file: superblock,
    from: 'expect(number("pageCount") === pageCount,',
    to: "expect(true,",
  },
  {
    name: "the seed's geometry check, whose sums wrap at 2^64",
    file: superblock,
    from: "indexPages >= 1 && indexPages <= pageCount - 2,",
    to: "(1 + indexPages + maxBlocks) % 2 ** 64 >= 1,",
  },
  {
    name: "the largest index is two pages too large",
    file: superblock,
    from: "indexPages >= 1 && indexPages <= pageCount - 2,",
    to: "indexPages >= 1 && indexPages <= pageCount,",
  },
  {
    name: "more blocks than entries",
    file: superblock,
    from: "expect(blocks <= blocksMost,",
    to: "expect(true,",
  },
  {
    name: "more entries than index pages hold",
    file: superblock,
    from: "maxBlocks >= 1 && maxBlocks <= entriesMost;",
    to: "maxBlocks >= 1;",
  },
  {
    name: "a repair leaves out what is behind the file's end",
    file: "src/pool/repair.ts",
    from: "    batch.add(block, page, target);",
    to: "    if (block < superblock.blocks) batch.add(block, page, target);",
  },
  {
    name: "a repair gives a duplicate a page that is taken",
    file: "src/pool/repair.ts",
    from: "target = home < geometry.pageCount && !taken.has(home) ? home",
    to: "target = home < geometry.pageCount ? home",
  },
  {
    name: "undo leaves the entries as the repair made them",
    file: "src/pool/undo.ts",
    from: "      entries++;\n      restore(at, oldBytes);",
    to: "      entries++;\n      if (entries < 0) restore(at, oldBytes);",
  },
  {
    name: "the older copy counts",
    file: superblock,
    from: "return (ages[1] ?? -1) > (ages[0] ?? -1) ? second : first;",
    to: "return (ages[1] ?? 2 ** 60) < (ages[0] ?? 2 ** 60) ? second : first;",
  },
  {
    name: "the meta file of a split pool may be of any length",
    file: superblock,
    from: "if (!split || firstDataPage === media.metadataPages) return null;",
    to: "if (!split || firstDataPage !== media.metadataPages) return null;",
  },
  {
    name: "the last generation is counted on",
    file: "src/pool/superblockStore.ts",
    from: "if (newest.generation >= MAX_GENERATION) {",
    to: "if (newest.generation > MAX_GENERATION) {",
  },
  {
    name: "a thin pool may be direct",
    file: superblock,
    from: "expect(state !== STATE_DIRECT || !isThin,",
    to: "expect(true,",
  },
  {
    name: "what a clean pool holds and no entry names stays",
    file: "src/pool/probe.ts",
    from: "if (canPunch && (superblock.state !== STATE_CLEAN || grainPages === 1)) releaseStrays",
    to: "if (superblock.state !== STATE_CLEAN) releaseStrays",
  },
  {
    name: "a pool opened read-only is marked",
    file: "src/pool/probe.ts",
    from: "  if (!options.readOnly) {",
    to: "  {",
  },
];
