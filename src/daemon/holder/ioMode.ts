/** The I/O modes that a mount can have, as the holder sees it. The server decides after it has probed the pool. */
import { ELOOP, EPERM, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { PAGE_BYTES } from "../../base/units.js";
import { FUSE_PASSTHROUGH } from "../../fuse/abi.js";
import type { Backing } from "../../linux/backing/backing.js";
import { LinuxDataFile } from "../../linux/backing/dataFile.js";
import { boundNode } from "../../linux/backing/poolNode.js";
import { openFuseBacking } from "../../linux/fuse/fuseDevice.js";
import type { OpenedPool } from "../../media/readSuperblock.js";
import type { MountOptions } from "../../mounts/options.js";
import { STATE_CLEAN, STATE_DIRECT, type Superblock } from "../../pool/superblock.js";

/** Whether the kernel can read and write the pool's data by itself, in this session. */
export type Passthrough =
  /** By the kernel's number of the data, which a server may hand out. */
  { readonly kind: "registered"; readonly backingId: number } | ({ readonly kind: "unavailable" } & Obstacle);

/** For people: why the data is served. */
export interface Obstacle {
  readonly reason: string;
  readonly cure: string;
}

/**
 * Why the options or the pool rule out direct mode; null if they do not.
 * @throws UserError with `--io direct`
 */
export function obstacleOf(options: MountOptions, pool: OpenedPool): Obstacle | null {
  const obstacle = findObstacle(options, pool);
  if (obstacle !== null) refuseIfOnlyDirect(options, obstacle);
  return obstacle;
}

/**
 * Registers the data with a session whose INIT is answered.
 * @param flags2 what the kernel and we agreed on
 * @throws UserError when nothing but direct was asked for, and the kernel refuses
 */
export function registerData(options: MountOptions, fd: number, flags2: number, dataFd: number): Passthrough {
  const backingId = (flags2 & FUSE_PASSTHROUGH) === 0 ? 0 : openFuseBacking(fd, dataFd);
  if (backingId > 0) return { kind: "registered", backingId };
  const obstacle = refusedByKernel(-backingId);
  refuseIfOnlyDirect(options, obstacle);
  return { kind: "unavailable", ...obstacle };
}

function refuseIfOnlyDirect({ io }: MountOptions, { reason, cure }: Obstacle): void {
  if (io === "direct") throw new UserError("--io direct", reason, { code: "EOPNOTSUPP", cure });
}

function findObstacle(options: MountOptions, { backing, superblock }: OpenedPool): Obstacle | null {
  const { geometry } = superblock;
  if (options.io === "served") return { reason: "served mode was requested", cure: "--io auto" };
  if (options.atomicWrites) return { reason: "atomic writes were requested", cure: "omit --atomic-writes" };
  if (backing.layout === "single") return { reason: `the pool is ${nameOf(backing)}`, cure: splitCure(backing) };
  if (geometry.maxBlocks > geometry.dataPages) {
    return { reason: "the pool is thin: not every block has its own page", cure: "a pool as large as --max-size" };
  }
  if (!options.readOnly && isUnbraked(backing)) {
    return {
      reason: "a pool bound to a NUMA node, on a tmpfs of your own, could use up that node's memory",
      cure: "the pool tmpfs",
    };
  }
  if (options.readOnly && !canBeReadDirect(superblock, backing)) {
    return { reason: "a read-only mount cannot prepare the pool for it", cure: "omit --read-only" };
  }
  return null;
}

/** The size of a tmpfs that is not ours holds a pool back for the machine, not for one node of it. */
function isUnbraked(backing: Backing): boolean {
  return backing.kind === "tmpfs" && backing.tmpfsFd === undefined && boundNode(backing) !== null;
}

/** The length of `data` must be the disk's, or reads go past its end. */
function canBeReadDirect({ state, blocks }: Superblock, backing: Backing): boolean {
  if (state !== STATE_DIRECT && state !== STATE_CLEAN) return false;
  return new LinuxDataFile(backing.dataFd).lengthBytes() === blocks * PAGE_BYTES;
}

function nameOf(backing: Backing): string {
  if (backing.kind === "memfd") return "a memfd";
  return backing.kind === "devdax" ? "a device" : "one file";
}

function splitCure(backing: Backing): string {
  return backing.path === null ? "the pool tmpfs, as root" : "kmemfs format --split DIRECTORY";
}

/** What the kernel's answer to the registration means. @param errno 0: it does not know passthrough */
function refusedByKernel(errno: number): Obstacle {
  if (errno === 0) return { reason: "this kernel has no FUSE passthrough", cure: "Linux 6.9 or newer" };
  if (errno === EPERM) return { reason: "it needs CAP_SYS_ADMIN", cure: "run as root" };
  if (errno === ELOOP) {
    return {
      reason: "the pool's file system is itself stacked on another file system",
      cure: "a pool on another file system",
    };
  }
  return { reason: `the kernel refused it (${errnoName(errno)})`, cure: "--io auto" };
}
