/**
 * Tells of damaged entries in the order they stand in, and of each duplicate
 * which block has its page first. That takes another scan for each batch; a
 * batch is as large as one bit a page, so there are few of them.
 */
import { BitSet } from "../base/bitset.js";
import type { Memory } from "../base/ports.js";
import type { BlockNo, PageNo } from "../base/units.js";
import { entryOffset } from "./entry.js";
import type { Finding } from "./findings.js";
import { describeEntryDamage, type EntryDamage, scanIndex } from "./scan.js";
import type { Superblock } from "./superblock.js";

const LEAST_BATCH = 16 * 1024;
/** A Map holds no more than 2^24. */
const LARGEST_BATCH = 4 * 1024 * 1024;
const BITS_PER_ENTRY = 8 * (8 + 4 + 4 + 1);
const DAMAGES: readonly EntryDamage[] = ["high-word", "padding", "beyond-size", "range", "duplicate"];

export class Owners {
  private readonly capacity: number;
  // Made with the first duplicate: a sound pool has none.
  private damages = new Uint8Array(0);
  /** Padding may lie beyond 32 bits. */
  private blocks = new Float64Array(0);
  private pages = new Uint32Array(0);
  private highs = new Uint32Array(0);
  private count = 0;
  private hasDuplicates = false;

  constructor(
    private readonly memory: Memory,
    private readonly superblock: Superblock,
    private readonly tell: (finding: Finding) => void,
  ) {
    const wanted = Math.floor(superblock.geometry.dataPages / BITS_PER_ENTRY);
    this.capacity = Math.min(Math.max(LEAST_BATCH, wanted), LARGEST_BATCH);
  }

  /** Tells of it at once, unless a duplicate waits for its owner. */
  add(damage: EntryDamage, block: BlockNo, page: PageNo, high: number): void {
    if (damage === "duplicate") this.hasDuplicates = true;
    if (!this.hasDuplicates) {
      this.tell(this.findingOf(damage, block, page, high));
      return;
    }
    if (this.damages.length === 0) this.makeRoom();
    const at = this.count++;
    this.damages[at] = DAMAGES.indexOf(damage);
    this.blocks[at] = block;
    this.pages[at] = page;
    this.highs[at] = high;
    if (this.count === this.capacity) this.flush();
  }

  /** Tells of those that wait. */
  flush(): void {
    const duplicates = new Map<PageNo, BlockNo>();
    if (this.hasDuplicates) this.findOwners(duplicates);
    for (let i = 0; i < this.count; i++) {
      const damage = DAMAGES[this.damages[i]];
      const owner = damage === "duplicate" ? duplicates.get(this.pages[i]) : undefined;
      this.tell(this.findingOf(damage, this.blocks[i], this.pages[i], this.highs[i], owner));
    }
    this.count = 0;
    this.hasDuplicates = false;
  }

  private makeRoom(): void {
    this.damages = new Uint8Array(this.capacity);
    this.blocks = new Float64Array(this.capacity);
    this.pages = new Uint32Array(this.capacity);
    this.highs = new Uint32Array(this.capacity);
  }

  private findOwners(owners: Map<PageNo, BlockNo>): void {
    const wanted = BitSet.ofSize(this.superblock.geometry.pageCount);
    for (let i = 0; i < this.count; i++) {
      if (DAMAGES[this.damages[i]] === "duplicate") wanted.add(this.pages[i]);
    }
    scanIndex(this.memory, this.superblock, {
      present: () => {},
      run: (block, page, count) => {
        for (let i = 0; i < count; i++) {
          if (wanted.has(page + i) && !owners.has(page + i)) owners.set(page + i, block + i);
        }
        return count;
      },
      damaged: () => {},
    });
  }

  private findingOf(damage: EntryDamage, blockNo: BlockNo, pageNo: PageNo, high: number, owner?: BlockNo): Finding {
    const at = { kind: damage, blockNo, pageNo, offsetBytes: entryOffset(blockNo) };
    if (owner === undefined)
      return { ...at, message: describeEntryDamage(damage, this.superblock, blockNo, pageNo, high) };
    const message = `block ${blockNo}: page ${pageNo} also belongs to block ${owner}, which comes first`;
    return { ...at, ownerBlockNo: owner, message };
  }
}
