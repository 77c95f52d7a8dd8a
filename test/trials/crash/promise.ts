/**
 * What a crash may show of the file: of each block all versions since the last
 * acknowledged flush (power), or since the last acknowledged operation (the
 * process died). A hole is null. While an operation runs, its versions are
 * there and not yet acknowledged.
 */
import { PAGE_BYTES } from "../../../src/base/units.js";

type Version = Buffer | null;

export interface BlockHistory {
  /** Oldest first. */
  readonly versions: Version[];
  /** Versions before it are there no more when the process dies. */
  acknowledged: number;
}

const zeros = Buffer.alloc(PAGE_BYTES);
const hole: BlockHistory = { versions: [null], acknowledged: 0 };

export class Promised {
  sizes: number[];
  /** Sizes before it are gone when the process dies. */
  acknowledgedSize = 0;
  /** A power cut has left entries whose pages never reached the media: they read as zeros and hold no memory. */
  namesHoles = false;
  /** Of all blocks that ever were no holes. */
  readonly histories = new Map<number, BlockHistory>();
  private readonly open = new Set<BlockHistory>();

  constructor(
    sizeBlocks: number,
    readonly maxBlocks: number,
  ) {
    this.sizes = [sizeBlocks];
  }

  get sizeBlocks(): number {
    return this.sizes.at(-1) as number;
  }

  historyOf(block: number): BlockHistory {
    return this.histories.get(block) ?? hole;
  }

  /** What the block is when all is well. */
  latest(block: number): Version {
    return this.historyOf(block).versions.at(-1) as Version;
  }

  add(block: number, version: Version): void {
    let history = this.histories.get(block);
    if (history === undefined) {
      history = { versions: [null], acknowledged: 0 };
      this.histories.set(block, history);
    }
    history.versions.push(version);
    this.open.add(history);
  }

  write(offset: number, bytes: Buffer): void {
    this.change(offset, bytes.length, (block, from, end, at) => {
      const now = Buffer.from(this.latest(block) ?? zeros);
      bytes.copy(now, from, at, at + end - from);
      this.add(block, now);
    });
  }

  discard(offset: number, length: number): void {
    this.change(offset, length, (block, from, end) => {
      const old = this.latest(block);
      if (old === null) return;
      if (end - from === PAGE_BYTES) return this.add(block, null);
      const now = Buffer.from(old);
      now.fill(0, from, end);
      this.add(block, now);
    });
  }

  reserve(offset: number, length: number): void {
    this.change(offset, length, (block) => {
      if (this.latest(block) === null) this.add(block, zeros);
    });
  }

  resize(sizeBlocks: number): void {
    for (const block of this.histories.keys()) {
      if (block >= sizeBlocks && this.latest(block) !== null) this.add(block, null);
    }
    this.sizes.push(sizeBlocks);
  }

  /** The operation has been answered. */
  acknowledge(): void {
    for (const history of this.open) history.acknowledged = history.versions.length - 1;
    this.open.clear();
    this.acknowledgedSize = this.sizes.length - 1;
  }

  /** A flush has been answered: only the newest is left. */
  flushed(): void {
    this.acknowledge();
    for (const history of this.histories.values()) {
      history.versions.splice(0, history.versions.length - 1);
      history.acknowledged = 0;
    }
    this.sizes = [this.sizeBlocks];
    this.acknowledgedSize = 0;
  }

  private change(
    offset: number,
    length: number,
    act: (block: number, from: number, end: number, at: number) => void,
  ): void {
    const stop = Math.min(offset + length, this.sizeBlocks * PAGE_BYTES);
    for (let at = offset; at < stop; ) {
      const block = Math.floor(at / PAGE_BYTES);
      const end = Math.min(stop, (block + 1) * PAGE_BYTES);
      act(block, at % PAGE_BYTES, end - block * PAGE_BYTES, at - offset);
      at = end;
    }
  }
}
