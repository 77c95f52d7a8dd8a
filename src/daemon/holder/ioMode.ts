/** Whether a mount may go the direct way, as far as the holder can tell. */
import { ELOOP, EPERM, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { PAGE_BYTES } from "../../base/units.js";
import type { BackingFacts } from "../../linux/backing/backingFacts.js";
import { LinuxDataFile } from "../../linux/backing/dataFile.js";
import { boundNode } from "../../linux/backing/poolNode.js";
import type { OpenedPool } from "../../media/readSuperblock.js";
import type { MountOptions } from "../../mounts/options.js";
import { STATE_CLEAN, STATE_DIRECT, type Superblock } from "../../pool/superblock.js";

/** Why not direct. */
export interface NotDirect {
  readonly reason: string;
  readonly cure: string;
}

/** What of the options or the pool stands against the direct way, before anything is mounted; null for nothing. */
export function notDirect(options: MountOptions, { backing, superblock }: OpenedPool): NotDirect | null {
  const { geometry } = superblock;
  if (options.io === "served") return { reason: "served was asked for", cure: "--io auto" };
  if (options.atomicWrites) return { reason: "atomic writes were asked for", cure: "leave --atomic-writes out" };
  if (backing.layout === "single") return { reason: `the pool is ${nameOf(backing)}`, cure: splitCure(backing) };
  if (geometry.maxBlocks > geometry.dataPages) {
    return { reason: "the pool is thin, not every block has a page of its own", cure: "a pool as large as --max-size" };
  }
  if (!options.readOnly && isUnbraked(backing)) {
    return {
      reason: "on a tmpfs of yours a pool bound to a NUMA node could take all its memory",
      cure: "the pool tmpfs",
    };
  }
  if (options.readOnly && !canBeReadDirect(superblock, backing)) {
    return { reason: "a read-only mount may not bring the pool into shape for it", cure: "leave --read-only out" };
  }
  return null;
}

/** The size of a tmpfs that is not ours holds a pool back for the machine, not for one node of it. */
function isUnbraked(backing: BackingFacts): boolean {
  return backing.kind === "tmpfs" && backing.tmpfsFd === undefined && boundNode(backing) !== null;
}

/** The length of `data` must be the disk's, or reads go past its end. */
function canBeReadDirect({ state, blocks }: Superblock, backing: BackingFacts): boolean {
  if (state !== STATE_DIRECT && state !== STATE_CLEAN) return false;
  return new LinuxDataFile(backing.dataFd).lengthBytes() === blocks * PAGE_BYTES;
}

function nameOf(backing: BackingFacts): string {
  if (backing.kind === "memfd") return "a memfd";
  return backing.kind === "devdax" ? "a device" : "one file";
}

function splitCure(backing: BackingFacts): string {
  return backing.path === null ? "the pool tmpfs, as root" : "kmemfs format --split DIRECTORY";
}

/** What the kernel's answer to the registration of `data` means. @param errno 0: it does not know passthrough */
export function refusedByKernel(errno: number): NotDirect {
  if (errno === 0) return { reason: "this kernel has no FUSE passthrough", cure: "Linux 6.9 or newer" };
  if (errno === EPERM) return { reason: "it needs CAP_SYS_ADMIN", cure: "run as root" };
  if (errno === ELOOP) {
    return { reason: "the pool's file system is itself stacked on another", cure: "a pool on another file system" };
  }
  return { reason: `the kernel refused it (${errnoName(errno)})`, cure: "--io auto" };
}

/** @throws UserError when nothing but direct was asked for */
export function requireWay(options: MountOptions, not: NotDirect | null): void {
  if (options.io !== "direct" || not === null) return;
  throw new UserError("--io direct", not.reason, { code: "EOPNOTSUPP", cure: not.cure });
}
