/** Check, repair and undo on fake memory, with the side file in an array. */
import { crc32c } from "../../src/base/bytes.js";
import type { Memory } from "../../src/base/ports.js";
import { type CheckSummary, checkPool } from "../../src/pool/check.js";
import type { Finding } from "../../src/pool/findings.js";
import { type RepairSummary, repairPool, type UndoLog } from "../../src/pool/repair.js";
import type { Superblock } from "../../src/pool/superblock.js";
import { readCopies } from "../../src/pool/superblockCopies.js";
import { superblockPage } from "../../src/pool/superblockStore.js";
import { undoRepair } from "../../src/pool/undo.js";
import {
  decodeHeader,
  encodeEnd,
  encodeHeader,
  encodeMade,
  encodeSaved,
  HEADER_BYTES,
} from "../../src/pool/undoFile.js";

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
  private parts: Uint8Array[] = [];
  isSealed = false;

  constructor(private readonly superblock: Superblock) {}

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.parts);
  }

  save(at: number, oldBytes: Uint8Array, newBytes: Uint8Array): void {
    this.add(encodeSaved(at, oldBytes, newBytes));
  }

  made(page: number, count: number): void {
    this.add(encodeMade(page, count));
  }

  seal(): void {
    this.add(encodeEnd(crc32c(this.bytes)));
    this.isSealed = true;
  }

  private add(bytes: Uint8Array): void {
    if (this.isSealed) throw new Error("told after the seal");
    if (this.parts.length === 0) {
      const { geometry, uuid } = this.superblock;
      this.parts.push(encodeHeader({ pageCount: geometry.pageCount, metadataPages: geometry.firstDataPage, uuid }));
    }
    this.parts.push(bytes);
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
  const header = decodeHeader(bytes.subarray(0, HEADER_BYTES));
  if (typeof header === "string") throw new Error(header);
  return undoRepair(memory, header, { read: (at, length) => bytes.slice(at, at + length) });
}
