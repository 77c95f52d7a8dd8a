/** Formats pools in new files and directories, and over existing ones that are blank or with force. */
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fstatSync, ftruncateSync, lstatSync, readdirSync, rmSync, type Stats } from "node:fs";
import { join } from "node:path";
import { UserError } from "../base/errors.js";
import { bytesToPagesFloor, MIB, PAGE_BYTES, pagesToBytes } from "../base/units.js";
import { type Backing, closeBacking } from "../linux/backing/backing.js";
import { openBacking } from "../linux/backing/openBacking.js";
import { createPoolDirectory, POOL_FILES } from "../linux/backing/poolDirectory.js";
import { openPoolEntry, openPoolMember } from "../linux/backing/poolEntry.js";
import { createPoolFile, resizePoolFile } from "../linux/backing/poolFile.js";
import { lockPool } from "../linux/backing/poolLock.js";
import { bindToNode } from "../linux/backing/poolNode.js";
import { readMetadata } from "../linux/backing/readMetadata.js";
import { looksLike } from "../linux/backing/signature.js";
import { mapBacking, unmapBacking } from "../linux/memory/mapping.js";
import { attachMemory } from "../linux/memory/memory.js";
import { formatPool, requireFormattable } from "../pool/format.js";
import { chosenGeometry } from "../pool/geometry.js";
import { formatUuid, hasMagic, INCOMPATIBLE_SPLIT, labelBytes } from "../pool/superblock.js";
import { blocksBesideSpare, type PoolPlan, planPool, type SizeRequest } from "./poolPlan.js";
import { type OpenedPool, readFirstPage, readPool, requireDurable, withPoolLength } from "./readSuperblock.js";

export interface FormatOptions extends SizeRequest {
  readonly path: string;
  readonly split: boolean;
  readonly full: boolean;
  readonly label?: string | undefined;
  readonly force: boolean;
  /** Refuse a backing that does not survive a power loss. */
  readonly durable?: boolean | undefined;
}

/** What of it counts for a backing that is open. */
type FormatWishes = Pick<FormatOptions, "full" | "label" | "durable" | "numaNode">;

export interface FormatResult {
  readonly path: string;
  readonly uuid: string;
  readonly label: string;
  readonly layout: "single" | "split";
  readonly sizeBytes: number;
  readonly maxSizeBytes: number;
  readonly poolBytes: number;
}

/** Formats the pool at `options.path`. @throws UserError */
export async function formatPoolAt(options: FormatOptions): Promise<FormatResult> {
  const { backing, superblock } = formatPath(options);
  closeBacking(backing);
  return {
    path: options.path,
    uuid: formatUuid(superblock.uuid),
    label: new TextDecoder().decode(labelBytes(superblock.label)),
    layout: backing.layout,
    sizeBytes: superblock.blocks * PAGE_BYTES,
    maxSizeBytes: superblock.geometry.maxBlocks * PAGE_BYTES,
    poolBytes: superblock.geometry.pageCount * PAGE_BYTES,
  };
}

/** Makes a pool at a path: a new file or directory, or over one that is there and holds nothing known. */
export function formatPath(options: FormatOptions): OpenedPool {
  const stat = look(options.path);
  if (stat === undefined) {
    if (options.sizeBytes === undefined && options.poolSizeBytes === undefined && options.maxSizeBytes === undefined) {
      throw new UserError(options.path, "does not exist, and no size was given", {
        code: "ENOENT",
        cure: "--size SIZE",
      });
    }
    const plan = planPool(options);
    const backing = options.split ? createDirectory(options.path, plan) : createPoolFile(options.path, plan.geometry);
    return formatCreated([options.path], backing, plan, options);
  }
  if (stat.isDirectory() && isHalf(options.path)) {
    if (!options.force) throw holds(options.path, "an incomplete pool, whose format was interrupted");
    removeHalf(options.path);
  }
  if (stat.isDirectory() && readdirSync(options.path).length === 0) {
    const plan = planPool(options);
    const made = POOL_FILES.map((name) => join(options.path, name));
    return formatCreated(made, createDirectory(options.path, plan), plan, options);
  }
  if (stat.isDirectory() && !existsSync(join(options.path, "meta"))) {
    throw new UserError(options.path, "the directory is not empty, and holds no pool", {
      code: "ENOTEMPTY",
      cure: "an empty directory, or a new one with --split",
    });
  }
  const opened = openBacking(options.path, { readOnly: false, forFormat: true });
  const { backing, plan } = closingOnFailure(opened, () => {
    requireDurable(opened, options.durable ?? false);
    const found = options.force ? null : contentOf(opened);
    if (found !== null) throw holds(options.path, found);
    if (options.split && opened.layout === "single") {
      const cure = "a directory, or without --split";
      throw new UserError(options.path, "is not a directory, which --split needs", { code: "ENOTDIR", cure });
    }
    const isFile = opened.layout === "single" && opened.kind !== "devdax";
    const whole = isFile ? withAskedLength(opened, options) : withPoolLength(opened, readFirstPage(opened));
    const planned = planExisting(whole, options);
    requireFormattable({ ...planned, label: labelOf(options), full: options.full });
    if (whole === opened) return { backing: opened, plan: planned };
    if (isFile) return { backing: resizePoolFile(opened, options.path, whole.pageCount), plan: planned };
    lengthen(whole, options.path);
    return { backing: whole, plan: planned };
  });
  return formatBacking(backing, plan, options);
}

/** As it will be: as long as `--pool-size` says, and otherwise at least as long as the sizes need. @throws UserError */
function withAskedLength(opened: Backing, options: FormatOptions): Backing {
  const { sizeBytes, maxSizeBytes, poolSizeBytes } = options;
  const isSized = [sizeBytes, maxSizeBytes, poolSizeBytes].some((size) => size !== undefined);
  if (!isSized && opened.pageCount > 0) return opened;
  const { grainPages } = opened;
  const pageCount = Math.ceil(planPool(options).geometry.pageCount / grainPages) * grainPages;
  const isAsked =
    poolSizeBytes === undefined
      ? pageCount > opened.pageCount
      : pagesToBytes(pageCount) !== fstatSync(opened.metaFd).size;
  return isAsked ? { ...opened, pageCount, metaBytes: pagesToBytes(pageCount) } : opened;
}

/** Gives `data` of a pool that was cut off in direct mode the pool's length again. @throws UserError */
function lengthen(backing: Backing, path: string): void {
  try {
    ftruncateSync(backing.dataFd, backing.dataBytes);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new UserError(path, "its data file cannot be extended to the size of the pool", {
      code,
      cure: `rm -r ${path}`,
    });
  }
}

export function closingOnFailure<T>(backing: Backing, act: () => T): T {
  try {
    return act();
  } catch (error) {
    closeBacking(backing);
    throw error;
  }
}

/** True for the leftover of a format killed while it created the files: one of the two, or `data` without a length. */
function isHalf(path: string): boolean {
  const files = readdirSync(path).map((name) => ({ name, stat: lstatSync(join(path, name)) }));
  const data = files.find(({ name }) => name === "data");
  const isShort = files.length === 1 || data?.stat.size === 0;
  return files.length > 0 && isShort && files.every(({ name, stat }) => POOL_FILES.includes(name) && isBlank(stat));
}

/** A file that holds nothing can be removed, whatever becomes of the format. */
const isBlank = (stat: Stats): boolean => stat.isFile() && stat.blocks === 0;

/** @throws UserError when another process has one of the files open */
function removeHalf(path: string): void {
  const directory = openPoolEntry(path, false);
  const fds: number[] = [];
  try {
    for (const name of POOL_FILES.filter((file) => existsSync(join(path, file)))) {
      const fd = openPoolMember(directory.fd, name, path, false);
      fds.push(fd);
      lockPool(fd, path, false);
      if (!isBlank(fstatSync(fd))) throw holds(path, "a pool that another process has just made");
      rmSync(join(path, name));
    }
  } finally {
    for (const fd of [...fds, directory.fd]) closeSync(fd);
  }
}

/** Formats what was created just now; removes what was `made` again when that fails. */
export function formatCreated(
  made: readonly string[],
  backing: Backing,
  plan: PoolPlan,
  wishes: FormatWishes,
): OpenedPool {
  try {
    return formatBacking(backing, plan, wishes);
  } catch (error) {
    for (const path of made) rmSync(path, { recursive: true, force: true });
    throw error;
  }
}

function planExisting(backing: Backing, options: FormatOptions): PoolPlan {
  const { poolSizeBytes = pagesToBytes(backing.pageCount) } = options;
  if (backing.kind === "devdax" && bytesToPagesFloor(poolSizeBytes) !== backing.pageCount) {
    throw new UserError(options.path, `a device is always used whole, here ${backing.metaBytes} bytes`, {
      code: "EINVAL",
      cure: "omit --pool-size, or make a smaller device with daxctl or ndctl",
    });
  }
  if (backing.layout === "single") return planPool(options, backing.pageCount);
  const dataPages = bytesToPagesFloor(backing.dataBytes);
  const maxSizeBytes = options.maxSizeBytes ?? options.sizeBytes ?? dataPages * PAGE_BYTES;
  const blocks = options.atomicWrites === true ? blocksBesideSpare(dataPages) : dataPages;
  const sizeBytes = options.sizeBytes ?? Math.min(maxSizeBytes, blocks * PAGE_BYTES);
  const plan = planPool({ ...options, sizeBytes, maxSizeBytes }, backing.pageCount);
  const isThatLong = bytesToPagesFloor(poolSizeBytes) === backing.pageCount;
  if (isThatLong && pagesToBytes(plan.geometry.firstDataPage) === backing.metaBytes) return plan;
  throw new UserError(options.path, "its files do not fit these sizes", {
    code: "EINVAL",
    cure: `rm -r ${options.path}, then format it again`,
  });
}

function holds(path: string, found: string): UserError {
  return new UserError(path, `holds ${found}`, { code: "EEXIST", cure: "--force, which destroys it" });
}

/** What is on a backing, as far as its beginning tells; null for zeros or holes. */
function contentOf(backing: Backing): string | null {
  if (backing.layout === "single" && backing.metaBytes === 0)
    return fstatSync(backing.metaFd).size > 0 ? "unrecognised data" : null;
  const start = readMetadata(backing, 0, Math.min(MIB, backing.metaBytes));
  if (hasMagic(start)) return "a kmemfs pool";
  return looksLike(backing) ?? (start.some((byte) => byte !== 0) ? "unrecognised data" : null);
}

function createDirectory(path: string, plan: PoolPlan): Backing {
  const { firstDataPage, dataPages } = plan.geometry;
  return createPoolDirectory(path, { metadataPages: firstDataPage, dataPages });
}

const labelOf = ({ label = "" }: FormatWishes): Uint8Array => new TextEncoder().encode(label);

/** Formats what is open; closes it again when that fails. */
export function formatBacking(backing: Backing, plan: PoolPlan, options: FormatWishes): OpenedPool {
  return closingOnFailure(backing, () => {
    requireDurable(backing, options.durable ?? false);
    if (options.numaNode !== undefined) bindToNode(backing, options.numaNode);
    // On hugetlbfs and DAX the size was rounded to whole large pages.
    const geometry =
      backing.pageCount === plan.geometry.pageCount
        ? plan.geometry
        : chosenGeometry(backing.pageCount, plan.geometry.maxBlocks);
    const mapping = mapBacking(backing, geometry.firstDataPage);
    try {
      formatPool(attachMemory(mapping), {
        geometry,
        blocks: plan.blocks,
        uuid: Buffer.from(randomUUID().replaceAll("-", ""), "hex"),
        label: labelOf(options),
        incompatible: backing.layout === "split" ? INCOMPATIBLE_SPLIT : 0,
        nowMs: Date.now(),
        full: options.full,
      });
    } finally {
      unmapBacking(mapping);
    }
    return readPool(backing);
  });
}

/** What is at `path`, or undefined. @throws UserError when the path cannot be resolved */
export function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new UserError(path, code === "ENOTDIR" ? "a part of the path is not a directory" : "cannot be accessed", {
      code,
    });
  }
}
