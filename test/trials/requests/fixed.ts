/**
 * What is tried of each opcode without chance: every beginning of a whole request,
 * with its own length and with that of the whole; more behind it than it says; and
 * in each field of it, and in each pair of offset and length, every boundary value.
 */
import type { Sample } from "../../protocol/support/samples.js";
import { RequestBuilder, withOwnLength } from "./build.js";
import { narrowEdges, PAGE, wideEdges } from "./edges.js";

const HEADER_BYTES = 40;

/** @param size bytes of the file, which can grow to `largest` */
export function* fixedRequests(sample: Sample, size: number, largest: number): Generator<Uint8Array> {
  yield sample.bytes;
  yield* beginnings(sample.bytes);
  yield* longer(sample.bytes);
  yield* fields(sample.bytes, size, largest);
  yield* ranges(sample.opcode, size, largest);
}

function* beginnings(whole: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < whole.length; length++) {
    const beginning = whole.slice(0, length);
    yield beginning;
    yield withOwnLength(beginning);
  }
}

function* longer(whole: Uint8Array): Generator<Uint8Array> {
  for (const extra of [1, 3, 4, 8, 512, 4096]) {
    const bytes = new Uint8Array(whole.length + extra);
    bytes.set(whole);
    yield bytes;
    yield withOwnLength(bytes);
  }
}

function* fields(whole: Uint8Array, size: number, largest: number): Generator<Uint8Array> {
  const narrow = narrowEdges();
  const wide = wideEdges(size, largest);
  for (let at = 0; at + 4 <= whole.length; at += 4) {
    for (const value of narrow) yield changed(whole, (view) => view.setUint32(at, value, true));
    if (at % 8 !== 0 || at + 8 > whole.length) continue;
    for (const value of wide) yield changed(whole, (view) => view.setBigUint64(at, value, true));
  }
}

function changed(whole: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const bytes = Uint8Array.from(whole);
  change(new DataView(bytes.buffer));
  return bytes;
}

/** READ, WRITE, FALLOCATE and LSEEK: all pairs. */
function* ranges(opcode: number, size: number, largest: number): Generator<Uint8Array> {
  const wide = wideEdges(size, largest);
  const head = { opcode, nodeid: 2n };
  for (const offset of wide) {
    if (opcode === 46) {
      for (let whence = 0; whence < 6; whence++) {
        yield new RequestBuilder(head, 24).u64(0n).u64(offset).u32(whence).u32(0).bytes;
      }
    }
    if (opcode !== 15 && opcode !== 16 && opcode !== 43) continue;
    for (const length of wide) {
      if (opcode === 15 && length < 2n ** 32n) yield readOf(offset, Number(length));
      if (opcode === 16 && length <= 4n * PAGE) yield writeOf(offset, Number(length));
      if (opcode !== 43) continue;
      for (const mode of [0, 1, 3, 0x10, 0x11, 2]) yield fallocateOf(offset, length, mode);
    }
  }
}

export function readOf(offset: bigint, size: number): Uint8Array {
  return new RequestBuilder({ opcode: 15, nodeid: 2n }, HEADER_BYTES).u64(0n).u64(offset).u32(size).bytes;
}

function writeOf(offset: bigint, size: number): Uint8Array {
  const builder = new RequestBuilder({ opcode: 16, nodeid: 2n }, 40 + size).u64(0n).u64(offset).u32(size);
  builder.bytes.fill(1 + (size % 251), 80);
  return builder.bytes;
}

function fallocateOf(offset: bigint, length: bigint, mode: number): Uint8Array {
  return new RequestBuilder({ opcode: 43, nodeid: 2n }, 32).u64(0n).u64(offset).u64(length).u32(mode).bytes;
}
