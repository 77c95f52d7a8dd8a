/** Periodic work of a server: drains limbo, and watches the machine's memory and the pool's files. */
import { fstatSync } from "node:fs";
import { errnoName } from "../../base/errno.js";
import { bytesToPagesFloor, type Errno, PAGE_BYTES, pagesToBytes } from "../../base/units.js";
import type { DirectFile } from "../../blockfile/directFile.js";
import { type Backing, heldPages } from "../../linux/backing/backing.js";
import { boundNode } from "../../linux/backing/poolNode.js";
import { resizePrivateTmpfs } from "../../linux/backing/privateTmpfs.js";
import type { Faults } from "../../linux/memory/sigbusGuard.js";
import { reserveBytes, shortOf } from "../../linux/proc/numaNodes.js";
import type { Account } from "../../pool/account.js";
import { type Damage, describeDamage } from "../../pool/damage.js";
import type { Pool } from "../../pool/pool.js";
import { reportToHolder, warnHolder } from "./serverEnd.js";

const PERIOD_MS = 100;
/** In a durable pool each run costs a flush; freed memory is released within a second. */
const PERIOD_DURABLE_MS = 500;

export interface Housekeeping {
  readonly periodMs: number;
  run(): void;
}

/** Looks only when the pool has grown or shrunk; tells the holder once. */
class MemoryWatch {
  private usedBefore = 0;
  /** Until it is known: the server before this one may have left it so. */
  private short = true;
  private told = false;

  /**
   * @param node the one that the pool is bound to; null for none
   * @param act what a change means for the pool; false when it could not be done yet
   */
  constructor(
    private readonly node: number | null,
    private readonly act: (short: boolean) => boolean,
  ) {}

  look(used: number): void {
    if (used === this.usedBefore && !this.short) return;
    this.usedBefore = used;
    const what = shortOf(this.node);
    const short = what !== null;
    if (short && !this.told) {
      warnHolder(`${what} is short of memory: new blocks get ENOSPC`);
    }
    this.told = short;
    if ((short || this.short) && !this.act(short)) return;
    this.short = short;
  }
}

/** Tells the holder of damage and of a flush that failed, once each. */
function problemTeller(damage: Damage, consequence: string): (failedErrno: Errno) => void {
  let toldDamage = false;
  let toldFailure = false;
  return (failedErrno) => {
    if (damage.isFound && !toldDamage) reportToHolder({ kind: "damage", message: describeDamage(damage) });
    toldDamage = damage.isFound;
    if (failedErrno === 0 || toldFailure) return;
    toldFailure = true;
    warnHolder(`the pool cannot be flushed (${errnoName(failedErrno)}): ${consequence}`);
  };
}

/** What threads that serve lost, or this one, or one that has not come to its end yet. */
export function noteFaults({ damage, memory, geometry }: Pool, faults: Faults | null): void {
  if (faults === null || faults.count === damage.faultsSeen) return;
  damage.noteFaults(faults, memory, geometry.firstDataPage);
}

/** The pool's files must not shrink, but another process that can write them can truncate them. */
function watchLength(damage: Damage, backing: Backing): void {
  if (backing.kind === "devdax" || backing.kind === "memfd") return;
  const { metaFd, metaBytes, dataFd, dataBytes } = backing;
  const endOfMeta = fstatSync(metaFd).size;
  if (endOfMeta < metaBytes) damage.noteTruncated(bytesToPagesFloor(endOfMeta));
  if (dataFd === metaFd) return;
  const endOfData = fstatSync(dataFd).size;
  if (endOfData < dataBytes) damage.noteTruncated(bytesToPagesFloor(metaBytes) + bytesToPagesFloor(endOfData));
}

export function keepServed(pool: Pool, backing: Backing, faults: Faults | null): Housekeeping {
  const { kind } = backing;
  const takesMemory = kind === "tmpfs" || kind === "memfd";
  const watch = new MemoryWatch(boundNode(backing), (short) => {
    pool.setMemoryShort(short);
    return true;
  });
  const tell = problemTeller(pool.damage, "writes are stopped");
  const run = (): void => {
    watchLength(pool.damage, backing);
    noteFaults(pool, faults);
    // A flush may take long, or hang: what is known already is told before.
    tell(pool.failedErrno);
    pool.flushAndDrain();
    tell(pool.failedErrno);
    if (takesMemory) watch.look(pool.account.used);
  };
  return { periodMs: pool.memory.durable ? PERIOD_DURABLE_MS : PERIOD_MS, run };
}

/** The kernel writes without asking: only the size of a private tmpfs can hold it back. */
export function keepDirect(file: DirectFile, account: Account, backing: Backing, faults: Faults | null): Housekeeping {
  const { tmpfsFd, metaBytes, dataBytes } = backing;
  const wholeBytes = metaBytes + dataBytes;
  const watch = new MemoryWatch(boundNode(backing), (short) => {
    if (tmpfsFd === undefined) return true;
    if (!short) return resizePrivateTmpfs(tmpfsFd, wholeBytes) === 0;
    // What is written between the count and the change makes it EINVAL: room for more of that each time.
    for (let slackBytes = PAGE_BYTES; slackBytes < reserveBytes(); slackBytes *= 4) {
      const heldBytes = pagesToBytes(heldPages(backing.metaFd) + heldPages(backing.dataFd));
      if (resizePrivateTmpfs(tmpfsFd, Math.min(wholeBytes, heldBytes + slackBytes)) === 0) return true;
    }
    return false;
  });
  const tell = problemTeller(file.damage, "recent writes may be lost");
  const run = (): void => {
    // The length of data is the file's own to watch: it is the disk's.
    file.keepLength();
    watchLength(file.damage, { ...backing, dataBytes: 0 });
    if (faults !== null && faults.count !== file.faultsSeen) file.noteLoss(faults);
    tell(file.failedErrno);
    const used = heldPages(backing.dataFd);
    account.reset(used, heldPages(backing.metaFd));
    if (tmpfsFd !== undefined) watch.look(used);
  };
  run();
  return { periodMs: PERIOD_MS, run };
}
