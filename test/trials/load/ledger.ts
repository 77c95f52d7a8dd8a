/**
 * The ledger: what the writers began, and what was acknowledged to them. It is a
 * file on tmpfs that all processes of a trial map, so that it outlives a writer.
 *
 * One clock orders everything: it ticks at each beginning and each answer. A
 * record is there before its system call is made, and its answer is noted after
 * the call has returned. A sector belongs to one writer, so that the order of the
 * records of that writer is the order of what the sector has held.
 */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { mapShared } from "../../../src/linux/process/sharedMemory.js";
import { BLOCK_SECTORS } from "./stamps.js";

export const KIND_WRITE = 1;
export const KIND_DISCARD = 2;
export const KIND_ZERO = 3;
export const KIND_FLUSH = 4;

/** Writers own zones of 1 MiB in turn. */
export const ZONE_SECTORS = 256 * BLOCK_SECTORS;

/** A record: kind, first sector, sectors, tick of the beginning, tick of the answer or 0, errno. */
const RECORD_WORDS = 6;
/** Records of one writer in one load; a writer whose part is full stops. */
export const MAX_RECORDS = 100_000;

const CLOCK = 0;
const STOP = 1;
const COUNTS = 2;
const HEADER_WORDS = 1024;

export interface Operation {
  readonly kind: number;
  readonly firstSector: number;
  readonly sectors: number;
  readonly begunTick: number;
  /** 0: no answer, or an error. */
  readonly answeredTick: number;
  readonly errno: number;
}

export class Ledger {
  readonly #words: Int32Array;

  /** Opens the ledger in `path`, or makes it. @param writers the last one is the trial itself */
  constructor(
    path: string,
    readonly writers: number,
  ) {
    const lengthBytes = 4 * (HEADER_WORDS + writers * MAX_RECORDS * RECORD_WORDS);
    const fd = openSync(path, "a+", 0o600);
    closeSync(fd);
    const writable = openSync(path, "r+");
    ftruncateSync(writable, lengthBytes);
    this.#words = new Int32Array(mapShared(writable, lengthBytes).bytes);
    closeSync(writable);
  }

  tick(): number {
    return Atomics.add(this.#words, CLOCK, 1) + 1;
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  /** Writers look before each operation. */
  setStopped(stopped: boolean): void {
    Atomics.store(this.#words, STOP, stopped ? 1 : 0);
  }

  countOf(writer: number): number {
    return Atomics.load(this.#words, COUNTS + writer);
  }

  /** Records of all writers. */
  get count(): number {
    return Array.from({ length: this.writers }, (_one, writer) => this.countOf(writer)).reduce((a, b) => a + b);
  }

  /** Forgets all records; no writer is at work. */
  clear(): void {
    for (let writer = 0; writer < this.writers; writer++) Atomics.store(this.#words, COUNTS + writer, 0);
  }

  /** Notes an operation that is about to begin. @returns its tick */
  begin(writer: number, kind: number, firstSector: number, sectors: number): number {
    const at = this.#at(writer, this.countOf(writer));
    const tick = this.tick();
    this.#words[at] = kind;
    this.#words[at + 1] = firstSector;
    this.#words[at + 2] = sectors;
    this.#words[at + 3] = tick;
    this.#words[at + 4] = 0;
    this.#words[at + 5] = 0;
    Atomics.add(this.#words, COUNTS + writer, 1);
    return tick;
  }

  /** Notes the answer to the last operation of `writer`. */
  answer(writer: number, errno: number): void {
    const at = this.#at(writer, this.countOf(writer) - 1);
    this.#words[at + 5] = errno;
    if (errno === 0) Atomics.store(this.#words, at + 4, this.tick());
  }

  operation(writer: number, number: number): Operation {
    const at = this.#at(writer, number);
    const [kind, firstSector, sectors, begunTick] = this.#words.subarray(at, at + 4) as unknown as number[];
    const answeredTick = Atomics.load(this.#words, at + 4);
    return {
      kind: kind as number,
      firstSector: firstSector as number,
      sectors: sectors as number,
      begunTick: begunTick as number,
      answeredTick,
      errno: this.#words[at + 5] as number,
    };
  }

  *operations(): Generator<Operation> {
    for (let writer = 0; writer < this.writers; writer++) {
      const count = this.countOf(writer);
      for (let number = 0; number < count; number++) yield this.operation(writer, number);
    }
  }

  #at(writer: number, number: number): number {
    return HEADER_WORDS + (writer * MAX_RECORDS + number) * RECORD_WORDS;
  }
}
