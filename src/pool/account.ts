/**
 * The account: the page counts of a pool, in 32-bit words shared by all threads
 * and the holder. A page counts as used from the moment it is claimed. While no
 * request runs, the backing holds exactly used + metadata (+ stock + limbo) pages.
 */
export const ACCOUNT_WORDS = 16;

const USED = 0;
const LIMBO = 1;
const METADATA = 2;
const PEAK = 3;
const HELD_IN_GRAINS = 4;
const BLOCKS = 5;

export class Account {
  /** @param words ACCOUNT_WORDS words of shared memory */
  constructor(
    private readonly words: Int32Array,
    /** Data pages of the pool. */
    private readonly dataPages: number,
  ) {}

  get used(): number {
    return Atomics.load(this.words, USED) >>> 0;
  }

  get limbo(): number {
    return Atomics.load(this.words, LIMBO) >>> 0;
  }

  /** Metadata pages that hold memory. */
  get metadata(): number {
    return Atomics.load(this.words, METADATA) >>> 0;
  }

  /** The most pages ever used at once. */
  get peak(): number {
    return Atomics.load(this.words, PEAK) >>> 0;
  }

  get free(): number {
    return Math.max(0, this.dataPages - this.used - this.limbo);
  }

  /** Free pages whose memory is still held, because the backing releases only whole grains. */
  get stock(): number {
    return Math.max(0, (Atomics.load(this.words, HELD_IN_GRAINS) >>> 0) - this.used - this.limbo);
  }

  /** Size of the file, in blocks. */
  get blocks(): number {
    return Atomics.load(this.words, BLOCKS) >>> 0;
  }

  setBlocks(blocks: number): void {
    Atomics.store(this.words, BLOCKS, blocks | 0);
  }

  /** Sets the counts taken at probe, or from the backing in direct mode, where there is no limbo. */
  reset(usedPages: number, metadataPages: number): void {
    Atomics.store(this.words, USED, usedPages | 0);
    Atomics.store(this.words, LIMBO, 0);
    Atomics.store(this.words, METADATA, metadataPages | 0);
    Atomics.store(this.words, HELD_IN_GRAINS, 0);
    this.raisePeak(this.used);
  }

  pagesClaimed(pages: number): void {
    Atomics.add(this.words, USED, pages);
    this.raisePeak(this.used);
  }

  pagesToLimbo(pages: number): void {
    // Limbo first: a reader in between sees too few free pages, never too many.
    Atomics.add(this.words, LIMBO, pages);
    Atomics.sub(this.words, USED, pages);
  }

  pagesFreed(pages: number): void {
    Atomics.sub(this.words, LIMBO, pages);
  }

  metadataAdded(pages: number): void {
    Atomics.add(this.words, METADATA, pages);
  }

  grainsHeld(pages: number): void {
    Atomics.add(this.words, HELD_IN_GRAINS, pages);
  }

  /** Raises the peak to `used` pages if it is lower. */
  raisePeak(used: number): void {
    let peak = Atomics.load(this.words, PEAK);
    while (used > peak >>> 0) {
      const seen = Atomics.compareExchange(this.words, PEAK, peak, used | 0);
      if (seen === peak) return;
      peak = seen;
    }
  }
}
