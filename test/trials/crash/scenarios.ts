/** The scenarios by name. */
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
};
