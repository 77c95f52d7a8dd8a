/** The scenarios by name. */
import { directRun } from "./directRun.js";
import { formatRun } from "./formatRun.js";
import { rehomeRun } from "./rehomeRun.js";
import type { Run } from "./run.js";
import { servedRun } from "./servedRun.js";

export const scenarios: Readonly<Record<string, Run>> = {
  "served, fitting": servedRun({ kind: "file", pageCount: 22, maxBlocks: 20 }),
  "served, thin": servedRun({ kind: "file", pageCount: 14, maxBlocks: 30 }),
  "served, split": servedRun({ kind: "file", pageCount: 20, maxBlocks: 18, split: true }),
  "served, many index pages": servedRun({ kind: "file", pageCount: 24, maxBlocks: 1200, blocks: 1100 }),
  "served, full": servedRun({ kind: "file", pageCount: 16, maxBlocks: 14, full: true }),
  "store, fitting": servedRun({ kind: "store", pageCount: 20, maxBlocks: 18 }),
  "store, thin": servedRun({ kind: "store", pageCount: 14, maxBlocks: 30 }),
  "atomic, fitting": servedRun({ kind: "file", pageCount: 22, maxBlocks: 16, atomicWrites: true }),
  "atomic, thin": servedRun({ kind: "file", pageCount: 14, maxBlocks: 30, atomicWrites: true }),
  "atomic, store": servedRun({ kind: "store", pageCount: 18, maxBlocks: 14, atomicWrites: true }),
  "format over none": formatRun({ kind: "file", pageCount: 14, maxBlocks: 12 }, null),
  "format over an old pool": formatRun(
    { kind: "file", pageCount: 14, maxBlocks: 12 },
    { kind: "file", pageCount: 14, maxBlocks: 30 },
  ),
  "format over another geometry": formatRun(
    { kind: "file", pageCount: 16, maxBlocks: 600 },
    { kind: "file", pageCount: 16, maxBlocks: 12 },
  ),
  "format, full": formatRun(
    { kind: "file", pageCount: 14, maxBlocks: 12, full: true },
    { kind: "file", pageCount: 14, maxBlocks: 12 },
  ),
  "format, store": formatRun({ kind: "store", pageCount: 14, maxBlocks: 12, full: true }, null),
  "format, store over an old pool": formatRun(
    { kind: "store", pageCount: 14, maxBlocks: 12 },
    { kind: "store", pageCount: 14, maxBlocks: 12 },
  ),
  "rehome, fitting": rehomeRun({ kind: "file", pageCount: 16, maxBlocks: 14 }),
  "rehome, thin": rehomeRun({ kind: "file", pageCount: 14, maxBlocks: 30 }),
  "rehome, store": rehomeRun({ kind: "store", pageCount: 14, maxBlocks: 12 }),
  direct: directRun({ kind: "file", pageCount: 16, maxBlocks: 14, blocks: 10, split: true }),
};
