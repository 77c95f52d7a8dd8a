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
    from: "if (pageNo < geometry.firstDataPage || pageNo >= geometry.pageCount) {",
    to: "if (pageNo < geometry.firstDataPage) {",
  },
  {
    name: "an entry may name metadata",
    file: scan,
    from: "if (pageNo < geometry.firstDataPage || pageNo >= geometry.pageCount) {",
    to: "if (pageNo >= geometry.pageCount) {",
  },
  {
    name: "an entry is compared as a signed number",
    file: scan,
    from: "pageNo >= geometry.pageCount) {",
    to: "(pageNo | 0) >= geometry.pageCount) {",
  },
  {
    name: "an entry's high word is ignored",
    file: scan,
    from: "  if (high !== 0) {",
    to: "  if (high !== 0 && low < 0) {",
  },
  {
    name: "padding is ignored",
    file: scan,
    from: "if (blockNo >= geometry.maxBlocks) {",
    to: "if (blockNo >= geometry.maxBlocks + 512) {",
  },
  {
    name: "an entry behind the file's end is let through",
    file: scan,
    from: "  if (blockNo >= blocks) {",
    to: "  if (blockNo > blocks) {",
  },
  {
    name: "duplicates are not told",
    file: "src/pool/probe.ts",
    from: "      return pages;\n    },\n    finding: (finding) => {",
    to: "      return count;\n    },\n    finding: (finding) => {",
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
    from: 'expect(indexPages >= 1 && indexPages <= pageCount - 2, "indexPages"',
    to: 'expect(Number((BigInt(indexPages) + BigInt(maxBlocks) + 1n) % 2n ** 64n) >= 1, "indexPages"',
  },
  {
    name: "the largest index is one page too large",
    file: superblock,
    from: "indexPages <= pageCount - 2,",
    to: "indexPages <= pageCount,",
  },
  {
    name: "more blocks than entries",
    file: superblock,
    from: 'expect(blocks <= maxBlocks, "blocks"',
    to: 'expect(true, "blocks"',
  },
  {
    name: "more entries than index pages hold",
    file: superblock,
    from: "maxBlocks >= 1 && maxBlocks <= entriesMost,",
    to: "maxBlocks >= 1,",
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
    from: "if (superblock.state !== STATE_CLEAN || seesHoles) releaseStrays",
    to: "if (superblock.state !== STATE_CLEAN) releaseStrays",
  },
  {
    name: "a pool opened read-only is marked",
    file: "src/pool/probe.ts",
    from: "  if (!options.readOnly) {\n    //",
    to: "  {\n    //",
  },
];
