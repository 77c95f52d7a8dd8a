/**
 * What one thread did in one round, as records in shared memory: one record for
 * each block and range of words that saw or got one value.
 */
export const RECORD_WORDS = 7;
/** Fields of a record: the words `[FIRST, END)` of the block, and the times between which it took place. */
export const RECORD = { KIND: 0, BLOCK: 1, FIRST: 2, END: 3, VALUE: 4, BEGUN: 5, ENDED: 6 } as const;

export const READ = 0;
export const WRITE = 1;
/** A write that was refused half-way: it may have taken place or not. */
export const MAYBE = 2;

/** 32-bit words of a block. Each is a register. */
export const BLOCK_WORDS = 1024;

export const MOST_RECORDS = 65_536;

const COUNT_AT = MOST_RECORDS * RECORD_WORDS;

export class History {
  /** @param words of MOST_RECORDS records, shared by the threads of a run */
  constructor(readonly words: Int32Array) {}

  static allocate(): Int32Array<SharedArrayBuffer> {
    return new Int32Array(new SharedArrayBuffer(4 * (COUNT_AT + 1)));
  }

  /** Records of this round. */
  get count(): number {
    return this.words[COUNT_AT] as number;
  }

  clear(): void {
    this.words[COUNT_AT] = 0;
  }

  /** True when not even the longest operation may be added: it could take a record for each word of a block. */
  get isFull(): boolean {
    return this.count > MOST_RECORDS - 8 * BLOCK_WORDS;
  }

  add(kind: number, block: number, first: number, end: number, value: number, begun: number): void {
    const at = this.count * RECORD_WORDS;
    this.words[COUNT_AT] = this.count + 1;
    this.words[at + RECORD.KIND] = kind;
    this.words[at + RECORD.BLOCK] = block;
    this.words[at + RECORD.FIRST] = first;
    this.words[at + RECORD.END] = end;
    this.words[at + RECORD.VALUE] = value;
    this.words[at + RECORD.BEGUN] = begun;
  }

  /** Gives the records from `from` on their end. */
  endAll(from: number, ended: number): void {
    for (let i = from; i < this.count; i++) this.words[i * RECORD_WORDS + RECORD.ENDED] = ended;
  }
}
