/**
 * Heartbeats in the session's memory: each thread of a server counts what it begins
 * and what it finishes, so that the holder sees which thread hangs and when a server
 * is idle.
 */
import { MAX_THREADS } from "../../pool/epochs.js";

/** Words of a thread: a cache line. */
const STRIDE = 16;
const TID = 0;
const COUNT = 1;
/** In the line of the main thread: not 0 when threads are to take nothing more, and when the pool is closed. */
const DRAINING = 2;
const CLOSING = 3;

export const HEARTBEAT_WORDS = STRIDE * MAX_THREADS;

/** The writer of one thread's words; plain stores suffice, as no other thread writes them. */
export class Heartbeat {
  private readonly at: number;

  /** @param words HEARTBEAT_WORDS words */
  constructor(
    private readonly words: Int32Array,
    private readonly thread: number,
  ) {
    this.at = thread * STRIDE + COUNT;
  }

  /** When the thread begins to work: until then the words may be those of a server before. @param tid the kernel's number of it */
  attach(tid: number): void {
    Atomics.store(this.words, this.thread * STRIDE + TID, tid);
  }

  /** When it works no more. */
  detach(): void {
    Atomics.store(this.words, this.thread * STRIDE + TID, 0);
  }

  /** The main thread closes the pool, which may take long; no request is pending. */
  close(): void {
    Atomics.store(this.words, CLOSING, 1);
    this.detach();
  }

  begin(): void {
    this.words[this.at]++;
  }

  end(): void {
    this.words[this.at]++;
  }

  /** The server is about to be replaced. */
  get isDraining(): boolean {
    return this.words[DRAINING] !== 0;
  }
}

export interface ThreadHeartbeat {
  readonly thread: number;
  readonly tid: number;
  /** Changes with each thing that is begun or done. */
  readonly count: number;
  readonly isBusy: boolean;
}

/** The holder's view. */
export class Heartbeats {
  constructor(private readonly words: Int32Array) {}

  /** Before a server starts. */
  clear(): void {
    this.words.fill(0);
  }

  /** Threads that have begun to work; the first is the main thread. */
  threads(): ThreadHeartbeat[] {
    const found: ThreadHeartbeat[] = [];
    for (let thread = 0; thread < MAX_THREADS; thread++) {
      const tid = Atomics.load(this.words, thread * STRIDE + TID);
      const count = Atomics.load(this.words, thread * STRIDE + COUNT);
      if (tid !== 0) found.push({ thread, tid, count, isBusy: count % 2 !== 0 });
    }
    return found;
  }

  /** No thread takes a request any more, but for one that is on its way to it. */
  drain(): void {
    Atomics.store(this.words, DRAINING, 1);
  }

  get isClosing(): boolean {
    return Atomics.load(this.words, CLOSING) !== 0;
  }

  get isQuiet(): boolean {
    return this.threads().every((beat) => !beat.isBusy);
  }
}
