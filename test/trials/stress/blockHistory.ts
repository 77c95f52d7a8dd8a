/**
 * Checks the history of each block between two moments at which nothing ran.
 *
 * Each aligned 32-bit word of a block is a register: memory is copied in words, so
 * of two writes at one time each word has the one or the other, and a read that
 * overlaps a write may see both in one block. All 1024 words are checked, exactly
 * (see `Register`); words that got and saw the same throughout are checked once.
 * What the block holds at the second moment counts as a last read, and is what the
 * next history begins with. So nothing is forgotten from one history to the next.
 */
import { BLOCK_WORDS, type History, MOST_RECORDS, READ, RECORD, RECORD_WORDS } from "./history.js";
import { Register } from "./register.js";

/** An event is one number, so that sorting is quick: when, which record, and whether it begins or ends. */
const IS_END = 1;
const RECORD_UNIT = 2;
const TIME_UNIT = 2 ** 20;

export class BlockHistories {
  private readonly register = new Register();
  private readonly events: number[][];
  private readonly isEdge = new Uint8Array(BLOCK_WORDS + 1);

  constructor(
    private readonly histories: readonly History[],
    blocks: number,
  ) {
    this.events = Array.from({ length: blocks }, () => []);
  }

  /** Sorts the records of a round into blocks, those for which `isMine` holds. */
  gather(isMine: (block: number) => boolean): void {
    for (const events of this.events) events.length = 0;
    for (const [slot, { words, count }] of this.histories.entries()) {
      for (let i = 0; i < count; i++) {
        const block = words[i * RECORD_WORDS + RECORD.BLOCK] as number;
        if (!isMine(block)) continue;
        const record = (slot * MOST_RECORDS + i) * RECORD_UNIT;
        const events = this.events[block] as number[];
        events.push((words[i * RECORD_WORDS + RECORD.BEGUN] as number) * TIME_UNIT + record);
        events.push((words[i * RECORD_WORDS + RECORD.ENDED] as number) * TIME_UNIT + record + IS_END);
      }
    }
  }

  /** @returns what is wrong with a block that held `first` before the round and `last` after it, or null */
  check(block: number, first: Int32Array, last: Int32Array): string | null {
    const events = Float64Array.from(this.events[block] as number[]).sort();
    this.findEdges(events, first, last);
    for (let word = 0; word < BLOCK_WORDS; ) {
      let end = word + 1;
      while (this.isEdge[end] === 0) end++;
      const fault = this.checkWord(events, word, first[word] as number, last[word] as number);
      if (fault !== null) return `block ${block}, words ${word} to ${end - 1}: ${fault}`;
      word = end;
    }
    return null;
  }

  /** Marks where words begin that another value may be in than in the word before. */
  private findEdges(events: Float64Array, first: Int32Array, last: Int32Array): void {
    this.isEdge.fill(0);
    this.isEdge[BLOCK_WORDS] = 1;
    for (const event of events) {
      const [words, at] = this.recordOf(event);
      this.isEdge[words[at + RECORD.FIRST] as number] = 1;
      this.isEdge[words[at + RECORD.END] as number] = 1;
    }
    for (let word = 1; word < BLOCK_WORDS; word++) {
      if (first[word] !== first[word - 1] || last[word] !== last[word - 1]) this.isEdge[word] = 1;
    }
  }

  private checkWord(events: Float64Array, word: number, first: number, last: number): string | null {
    const { register } = this;
    register.start(first);
    for (const event of events) {
      const [words, at] = this.recordOf(event);
      if (word < (words[at + RECORD.FIRST] as number) || word >= (words[at + RECORD.END] as number)) continue;
      const slot = Math.floor((event % TIME_UNIT) / RECORD_UNIT / MOST_RECORDS);
      const kind = words[at + RECORD.KIND] as number;
      const value = words[at + RECORD.VALUE] as number;
      if (event % RECORD_UNIT !== IS_END) register.begin(slot, kind, value);
      else if (!register.end(slot)) {
        const when = `from ${words[at + RECORD.BEGUN]} to ${words[at + RECORD.ENDED]}`;
        return `thread ${slot} ${kind === READ ? `saw ${stampText(value)}` : "wrote"} ${when}, which no order explains`;
      }
    }
    return register.mayHold(last) ? null : `it holds ${stampText(last)} in the end, which no order explains`;
  }

  private recordOf(event: number): readonly [Int32Array, number] {
    const record = Math.floor((event % TIME_UNIT) / RECORD_UNIT);
    const history = this.histories[Math.floor(record / MOST_RECORDS)] as History;
    return [history.words, (record % MOST_RECORDS) * RECORD_WORDS];
  }
}

const SEQUENCE_BITS = 21;
const THREAD_BITS = 3;

/** A value that tells block, thread and write: positive, so never the zero of a hole nor the poison. */
export function stampOf(block: number, slot: number, sequence: number): number {
  const low = sequence & ((1 << SEQUENCE_BITS) - 1);
  return ((block + 1) << (SEQUENCE_BITS + THREAD_BITS)) | (slot << SEQUENCE_BITS) | low;
}

function stampText(value: number): string {
  if (value === 0) return "zeros";
  if (value < 0) return `${(value >>> 0).toString(16)}, which nobody wrote`;
  const block = (value >>> (SEQUENCE_BITS + THREAD_BITS)) - 1;
  const slot = (value >>> SEQUENCE_BITS) & ((1 << THREAD_BITS) - 1);
  return `write ${value & ((1 << SEQUENCE_BITS) - 1)} of thread ${slot} to block ${block}`;
}
