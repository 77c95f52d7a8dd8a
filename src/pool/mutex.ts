/**
 * A mutex on one word of shared memory (Drepper, "Futexes are tricky", mutex2):
 * 0 free, 1 held, 2 held with waiters. The memory dies with the process, so a
 * killed server leaves nothing locked.
 */
import { assert } from "../base/assert.js";

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

export class Mutex {
  /** @param words over a SharedArrayBuffer */
  constructor(
    private readonly words: Int32Array,
    private readonly at: number,
  ) {}

  lock(): void {
    if (this.tryLock()) return;
    while (Atomics.exchange(this.words, this.at, CONTENDED) !== FREE) Atomics.wait(this.words, this.at, CONTENDED);
  }

  tryLock(): boolean {
    return Atomics.compareExchange(this.words, this.at, FREE, HELD) === FREE;
  }

  unlock(): void {
    const was = Atomics.exchange(this.words, this.at, FREE);
    assert(was !== FREE, "mutex unlocked that was not held");
    if (was === CONTENDED) Atomics.notify(this.words, this.at, 1);
  }
}
