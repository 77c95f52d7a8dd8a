/** The pools that the threads work on. */
import type { TestPoolOptions } from "../../support/testPool.js";

export interface StressKind {
  readonly name: string;
  readonly options: TestPoolOptions;
  /** Most pages that the backing holds, when it is short of memory and not the pool of pages. */
  readonly limitPages?: number;
  /** There is a page for each block: a shortage is a fault. */
  readonly fits?: boolean;
  /** No writes and discards of parts of blocks: what a read sees of a block is one write. */
  readonly wholeBlocks?: boolean;
}

export const stressKinds: readonly StressKind[] = [
  { name: "thin", options: { pageCount: 14, maxBlocks: 24 } },
  { name: "fitting", options: { pageCount: 26 }, fits: true },
  { name: "thin, durable", options: { pageCount: 14, maxBlocks: 24, durable: true } },
  { name: "fitting, durable", options: { pageCount: 26, durable: true }, fits: true },
  { name: "grains of 4 pages", options: { pageCount: 32, maxBlocks: 40, grainPages: 4 } },
  { name: "backing short of memory", options: { pageCount: 26 }, limitPages: 16 },
  { name: "atomic writes", options: { pageCount: 30, maxBlocks: 24, atomicWrites: true }, wholeBlocks: true },
  { name: "atomic writes, thin", options: { pageCount: 14, maxBlocks: 24, atomicWrites: true }, wholeBlocks: true },
  { name: "atomic writes in parts", options: { pageCount: 30, maxBlocks: 24, atomicWrites: true } },
  { name: "atomic writes, durable", options: { pageCount: 30, maxBlocks: 24, atomicWrites: true, durable: true } },
  { name: "nothing to punch", options: { pageCount: 14, maxBlocks: 24, canPunch: false } },
];
