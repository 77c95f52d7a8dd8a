/** A run: one pool, and what happens to it from one seed. */
import { formatPool } from "../../../src/pool/format.js";
import { chosenGeometry, type Geometry } from "../../../src/pool/geometry.js";
import type { Random } from "../../support/random.js";
import { CrashMemory } from "./crashMemory.js";
import type { MediaKind } from "./plainMemory.js";

export interface PoolShape {
  readonly kind: MediaKind;
  readonly pageCount: number;
  readonly maxBlocks: number;
  readonly blocks?: number;
  readonly split?: boolean;
  readonly full?: boolean;
  readonly atomicWrites?: boolean;
}

/** @returns states judged; throws a Violation, or whatever the engine throws */
export type Run = (random: Random, note: (what: string) => void, count: (states: number) => void) => void;

export function geometryOf(shape: PoolShape): Geometry {
  return chosenGeometry(shape.pageCount, shape.maxBlocks);
}

export function blocksOf(shape: PoolShape): number {
  return shape.blocks ?? shape.maxBlocks;
}

export function format(memory: CrashMemory, shape: PoolShape, uuidByte = 1): void {
  formatPool(memory, {
    geometry: geometryOf(shape),
    blocks: blocksOf(shape),
    uuid: new Uint8Array(16).fill(uuidByte),
    label: new Uint8Array(0),
    incompatible: shape.split === true ? 1 : 0,
    nowMs: 1_700_000_000_000,
    full: shape.full === true,
  });
}

/** A formatted pool, all of it on the media. */
export function formatted(shape: PoolShape): CrashMemory {
  const memory = new CrashMemory(shape.pageCount, geometryOf(shape).firstDataPage, shape.kind);
  format(memory, shape);
  memory.settleMedia();
  return memory;
}

/** Bytes that tell who wrote them, and to which block. */
export function stamp(into: Buffer, offset: number, lengthBytes: number, writeNo: number): Buffer {
  const bytes = into.subarray(0, lengthBytes);
  const first = offset - (offset % 8);
  for (let at = first; at < offset + lengthBytes; at += 8) {
    const block = Math.floor(at / 4096);
    for (let i = Math.max(at, offset); i < Math.min(at + 8, offset + lengthBytes); i++) {
      const inWord = i - at;
      bytes[i - offset] = inWord < 4 ? (writeNo >>> (8 * inWord)) & 255 : 1 + ((block >>> (4 * (inWord - 4))) & 127);
    }
  }
  return bytes;
}
