/** Opens or creates the pool of a mount. */
import { UserError } from "../base/errors.js";
import { bytesToPagesCeil, bytesToPagesFloor, PAGE_BYTES } from "../base/units.js";
import { createMemfd } from "../linux/backing/memfd.js";
import { openBacking } from "../linux/backing/openBacking.js";
import { createPoolFile } from "../linux/backing/poolFile.js";
import { bindToNode } from "../linux/backing/poolNode.js";
import { createPrivateTmpfs } from "../linux/backing/privateTmpfs.js";
import { requireNode } from "../linux/proc/numaNodes.js";
import type { MountOptions } from "../mounts/options.js";
import { isWritable, type Superblock } from "../pool/superblock.js";
import { closingOnFailure, formatBacking, formatCreated, look } from "./formatPath.js";
import { planPool } from "./poolPlan.js";
import { type OpenedPool, readPool, requireDurable } from "./readSuperblock.js";

/** Opens the pool for a mount. @throws UserError, MediaError */
export function openPool(options: MountOptions): OpenedPool {
  const { pool, numaNode } = options;
  if (numaNode !== undefined) requireNode(numaNode);
  if (pool.kind === "path") return openPath(pool.path, options);
  const plan = planPool(options);
  const { geometry } = plan;
  const backing =
    pool.kind === "memfd"
      ? createMemfd({ pageCount: geometry.pageCount })
      : createPrivateTmpfs({ metadataPages: geometry.firstDataPage, dataPages: geometry.dataPages });
  return formatBacking(backing, plan, { ...options, full: false });
}

function openPath(path: string, options: MountOptions): OpenedPool {
  if (options.create && look(path) === undefined) {
    const plan = planPool(options);
    const created = formatCreated([path], createPoolFile(path, plan.geometry), plan, { ...options, full: false });
    return { ...created, createdPath: path };
  }
  const opened = openBacking(path, { readOnly: options.readOnly });
  return closingOnFailure(opened, () => {
    const { backing, superblock } = readPool(opened);
    requireDurable(backing, options.durable);
    requireSizes(path, options, superblock, backing.grainPages * PAGE_BYTES);
    if (!options.readOnly && !isWritable(superblock)) {
      const reason = "has features that this version supports only for reading";
      throw new UserError(path, reason, { code: "EROFS", cure: "--read-only" });
    }
    const isMoved = options.numaNode === undefined || bindToNode(backing, options.numaNode);
    return { backing, superblock, isScattered: !isMoved };
  });
}

/** Sizes given for a pool that exists must be the ones it has: a mount changes none. */
function requireSizes(path: string, options: MountOptions, superblock: Superblock, grainBytes: number): void {
  const { blocks, geometry } = superblock;
  const given = [
    { name: "--size", bytes: options.sizeBytes, has: blocks },
    { name: "--max-size", bytes: options.maxSizeBytes, has: geometry.maxBlocks },
    { name: "--pool-size", bytes: options.poolSizeBytes, has: geometry.pageCount },
  ];
  for (const { name, bytes, has } of given) {
    if (bytes === undefined || bytesToPagesCeil(bytes) === has || bytesToPagesFloor(bytes) === has) continue;
    // On hugetlbfs a pool was rounded up to whole large pages when it was made.
    if (name === "--pool-size" && Math.ceil(bytes / grainBytes) * grainBytes === has * PAGE_BYTES) continue;
    throw new UserError(path, `has ${has * PAGE_BYTES} bytes, not the ${bytes} of ${name}`, {
      code: "EINVAL",
      cure: name === "--size" ? "omit it; kmemfs resize MOUNTPOINT SIZE changes the size" : "omit it",
    });
  }
}
