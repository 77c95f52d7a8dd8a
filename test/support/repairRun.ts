/** Check, repair and undo on fake memory, with the side file in an array. */
import type { Memory } from "../../src/base/ports.js";
import { type CheckSummary, checkPool } from "../../src/pool/check.js";
import type { Finding } from "../../src/pool/findings.js";
import { type RepairSummary, repairPool, type UndoLog } from "../../src/pool/repair.js";
import type { Superblock } from "../../src/pool/superblock.js";
import { readCopies } from "../../src/pool/superblockCopies.js";
import { superblockPage } from "../../src/pool/superblockStore.js";
import { undoRepair } from "../../src/pool/undo.js";
import { readUndoFile, UndoImages } from "../../src/pool/undoFile.js";

export interface Checked extends CheckSummary {
  readonly findings: Finding[];
}

export function checkMemory(memory: Memory, more: { split?: boolean; dataBytes?: number } = {}): Checked {
  const findings: Finding[] = [];
  const { split = false, dataBytes } = more;
  const page = superblockPage(memory);
  const metadataPages = split ? memory.metadataWords(0).length / 1024 : memory.pageCount;
  const summary = checkPool(
    {
      page,
      pageCount: memory.pageCount,
      media: { split, metadataPages },
      map: () => ({ memory, close: () => {} }),
      ...(dataBytes === undefined ? {} : { dataBytes }),
    },
    { finding: (finding) => findings.push(finding) },
  );
  return { ...summary, findings };
}

/** The side file of a repair, in memory. */
export class UndoBytes implements UndoLog {
  private readonly parts: Uint8Array[] = [];
  private readonly images: UndoImages;
  isSealed = false;

  constructor({ geometry, uuid }: Superblock) {
    const pool = { pageCount: geometry.pageCount, metadataPages: geometry.firstDataPage, uuid };
    this.images = new UndoImages(pool, (bytes) => this.parts.push(bytes));
  }

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.parts);
  }

  save(page: number, bytes: Uint8Array): void {
    if (this.isSealed) throw new Error("told after the seal");
    this.images.save(page, bytes);
  }

  seal(generation: number): void {
    this.images.seal(generation);
    this.isSealed = true;
  }
}

export interface Repaired {
  readonly summary: RepairSummary;
  readonly undo: UndoBytes;
  readonly lost: number[];
  readonly suspect: [block: number, page: number, copy: number][];
}

export function newestOf(memory: Memory): Superblock {
  const media = { split: false, metadataPages: memory.pageCount };
  const { newest } = readCopies(superblockPage(memory), memory.pageCount, media);
  if (newest === null) throw new Error("no copy is valid");
  return newest;
}

/** Repairs; `log` may be given so that it outlives a cut. */
export function repairMemory(memory: Memory, superblock = newestOf(memory), log = new UndoBytes(superblock)): Repaired {
  const lost: number[] = [];
  const suspect: [number, number, number][] = [];
  const summary = repairPool(memory, superblock, log, {
    lost: (block) => lost.push(block),
    suspect: (block, page, copy) => suspect.push([block, page, copy]),
  });
  return { summary, undo: log, lost, suspect };
}

export function undoMemory(memory: Memory, file: Uint8Array): ReturnType<typeof undoRepair> {
  // A slice of a Buffer is no copy.
  const bytes = new Uint8Array(file);
  const read = (at: number, length: number) => bytes.slice(at, at + length);
  const media = { split: false, metadataPages: memory.pageCount };
  return undoRepair(memory, media, readUndoFile({ lengthBytes: bytes.length, read }));
}
