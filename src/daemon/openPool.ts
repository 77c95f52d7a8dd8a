/** Opens or makes the pool that a mount or a command was asked for. */
import { randomUUID } from "node:crypto";
import { lstatSync, readdirSync, rmSync, type Stats, truncateSync } from "node:fs";
import { totalmem } from "node:os";
import { MediaError, UserError } from "../base/errors.js";
import { bytesToPagesCeil, bytesToPagesFloor, MIB, PAGE_BYTES } from "../base/units.js";
import {
  type BackingFacts,
  closeBacking,
  createMemfd,
  createPoolDirectory,
  createPoolFile,
  createPrivateTmpfs,
  looksLike,
  mapBacking,
  openBacking,
  readMetadata,
  unmapBacking,
} from "../linux/backing.js";
import { attachMemory } from "../linux/memory.js";
import { formatPool } from "../pool/format.js";
import { chosenGeometry, type Geometry, pagesForWholeFile, seedGeometry } from "../pool/geometry.js";
import {
  decode,
  hasMagic,
  INCOMPATIBLE_SPLIT,
  isWritable,
  layoutProblem,
  type MediaLayout,
  type Superblock,
} from "../pool/superblock.js";
import type { MountOptions } from "./options.js";

export interface SizeRequest {
  readonly sizeBytes?: number | undefined;
  readonly maxSizeBytes?: number | undefined;
  readonly poolSizeBytes?: number | undefined;
}

export interface OpenedPool {
  readonly backing: BackingFacts;
  readonly superblock: Superblock;
}

interface Plan {
  readonly geometry: Geometry;
  readonly blocks: number;
}

/**
 * The geometry of a new pool of `pageCount` pages, or, where that is open, of
 * as many as hold the whole file.
 * @throws UserError for sizes that contradict each other
 */
export function planPool(request: SizeRequest, pageCount?: number): Plan {
  const pages =
    pageCount ?? (request.poolSizeBytes === undefined ? undefined : bytesToPagesFloor(request.poolSizeBytes));
  if (request.sizeBytes === undefined && request.maxSizeBytes === undefined && pages !== undefined) {
    const geometry = seedGeometry(pages);
    return { geometry, blocks: geometry.maxBlocks };
  }
  const sizeBytes = request.sizeBytes ?? request.maxSizeBytes ?? defaultSizeBytes();
  const blocks = bytesToPagesCeil(sizeBytes);
  const maxBlocks = bytesToPagesCeil(request.maxSizeBytes ?? sizeBytes);
  if (maxBlocks < blocks) {
    throw new UserError("--max-size", "smaller than --size", { code: "EINVAL", exitCode: 2 });
  }
  return { geometry: chosenGeometry(pages ?? pagesForWholeFile(maxBlocks), maxBlocks), blocks };
}

/** Half of the machine's memory, as tmpfs has it. */
export function defaultSizeBytes(): number {
  return Math.floor(totalmem() / 2 / MIB) * MIB;
}

/** Opens the pool for a mount. @throws UserError, MediaError */
export function openPool(options: MountOptions): OpenedPool {
  const { pool } = options;
  if (pool.kind === "path") return openPath(pool.path, options);
  const plan = planPool(options);
  const { geometry } = plan;
  const backing =
    pool.kind === "memfd"
      ? createMemfd({ pageCount: geometry.pageCount })
      : createPrivateTmpfs({ metadataPages: geometry.firstDataPage, dataPages: geometry.dataPages });
  return formatBacking(backing, plan, { full: false });
}

/** What is at `path`, or undefined. @throws UserError when the way there cannot be gone */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new UserError(path, code === "ENOTDIR" ? "a part of the path is not a directory" : "cannot be reached", {
      code,
    });
  }
}

function openPath(path: string, options: MountOptions): OpenedPool {
  if (options.create && look(path) === undefined) {
    const plan = planPool(options);
    return formatCreated(path, createFile(path, plan), plan, { full: false });
  }
  const backing = openBacking(path, { readOnly: options.readOnly });
  try {
    const superblock = readSuperblock(backing);
    requireSize(path, options, superblock);
    if (!options.readOnly && !isWritable(superblock)) {
      const reason = "has features that this version can only read";
      throw new UserError(path, reason, { code: "EROFS", cure: "--read-only" });
    }
    return { backing, superblock };
  } catch (error) {
    closeBacking(backing);
    throw error;
  }
}

/** A size given for a pool that exists must be the one it has: a mount changes no size. */
function requireSize(path: string, options: MountOptions, superblock: Superblock): void {
  const has = superblock.blocks * PAGE_BYTES;
  if (options.sizeBytes === undefined || bytesToPagesCeil(options.sizeBytes) === superblock.blocks) return;
  throw new UserError(path, `its file has ${has} bytes, not the ${options.sizeBytes} of --size`, {
    code: "EINVAL",
    cure: "leave --size out; truncate -s SIZE MOUNTPOINT/disk changes it, up to the maximum size",
  });
}

/** @throws UserError naming the field when the backing holds no valid pool */
export function readSuperblock(backing: BackingFacts): Superblock {
  const path = backing.path ?? backing.kind;
  const page = readMetadata(backing, 0, PAGE_BYTES);
  if (!hasMagic(page)) {
    throw new UserError(path, "is not a kmemfs pool", { code: "EINVAL", cure: `kmemfs format ${path}` });
  }
  try {
    const superblock = decode(page, backing.pageCount);
    const problem = layoutProblem(superblock, layoutOf(backing));
    if (problem !== null) throw problem;
    return superblock;
  } catch (error) {
    if (!(error instanceof MediaError)) throw error;
    throw new UserError(path, `damaged superblock: ${error.message}`, { code: "EINVAL", cure: `kmemfs check ${path}` });
  }
}

/** What the backing's files say of a pool's layout. */
export function layoutOf(backing: BackingFacts): MediaLayout {
  return { split: backing.layout === "split", metadataPages: bytesToPagesFloor(backing.metaBytes) };
}

export interface FormatOptions extends SizeRequest {
  readonly path: string;
  readonly split: boolean;
  readonly full: boolean;
  readonly label?: string | undefined;
  readonly force: boolean;
}

/** Makes a pool at a path: a new file or directory, or over one that is there and holds nothing known. */
export function formatPath(options: FormatOptions): OpenedPool {
  const stat = look(options.path);
  if (stat === undefined) {
    if (options.sizeBytes === undefined && options.poolSizeBytes === undefined && options.maxSizeBytes === undefined) {
      throw new UserError(options.path, "does not exist, and no size is given", {
        code: "ENOENT",
        cure: "--size SIZE",
      });
    }
    const plan = planPool(options);
    const backing = options.split ? createDirectory(options.path, plan) : createFile(options.path, plan);
    return formatCreated(options.path, backing, plan, options);
  }
  if (stat.isDirectory() && readdirSync(options.path).length === 0) {
    const plan = planPool(options);
    return formatBacking(createDirectory(options.path, plan), plan, options);
  }
  let backing = openBacking(options.path, { readOnly: false, forFormat: true });
  if (backing.layout === "single" && backing.metaBytes === 0 && stat.size === 0) {
    // Opened first: whose file it is, and that nobody else has it, is known now.
    closeBacking(backing);
    truncateSync(options.path, planPool(options).geometry.pageCount * PAGE_BYTES);
    backing = openBacking(options.path, { readOnly: false, forFormat: true });
  }
  return formatBacking(backing, planBlank(backing, options), options);
}

function planBlank(backing: BackingFacts, options: FormatOptions): Plan {
  try {
    requireBlank(backing, options);
    return planExisting(backing, options);
  } catch (error) {
    closeBacking(backing);
    throw error;
  }
}

/** Formats what was created just now; removes it again when that fails. */
function formatCreated(
  path: string,
  backing: BackingFacts,
  plan: Plan,
  options: { readonly full: boolean; readonly label?: string | undefined },
): OpenedPool {
  try {
    return formatBacking(backing, plan, options);
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
}

function planExisting(backing: BackingFacts, options: FormatOptions): Plan {
  if (backing.layout === "single") return planPool(options, backing.pageCount);
  const dataPages = bytesToPagesFloor(backing.dataBytes);
  const maxSizeBytes = options.maxSizeBytes ?? options.sizeBytes ?? dataPages * PAGE_BYTES;
  const plan = planPool({ ...options, maxSizeBytes }, backing.pageCount);
  if (plan.geometry.firstDataPage * PAGE_BYTES === backing.metaBytes) return plan;
  throw new UserError(options.path, "its files do not fit these sizes", {
    code: "EINVAL",
    cure: `rm -r ${options.path}, then format it anew`,
  });
}

/** @throws UserError when the backing holds something that can be recognised, unless forced */
function requireBlank(backing: BackingFacts, options: FormatOptions): void {
  if (options.force) return;
  const found = contentOf(backing);
  if (found === null) return;
  throw new UserError(options.path, `holds ${found}`, {
    code: "EEXIST",
    cure: "--force, which destroys what is there",
  });
}

/** What is on a backing, as far as its beginning tells; null for zeros or holes. */
function contentOf(backing: BackingFacts): string | null {
  const start = readMetadata(backing, 0, Math.min(MIB, backing.metaBytes));
  if (hasMagic(start)) return "a kmemfs pool";
  return looksLike(backing) ?? (start.some((byte) => byte !== 0) ? "data that nothing recognises" : null);
}

function createFile(path: string, plan: Plan): BackingFacts {
  return createPoolFile(path, { pageCount: plan.geometry.pageCount });
}

function createDirectory(path: string, plan: Plan): BackingFacts {
  const { firstDataPage, dataPages } = plan.geometry;
  return createPoolDirectory(path, { metadataPages: firstDataPage, dataPages });
}

/** Formats what is open; closes it again when that fails. */
function formatBacking(
  backing: BackingFacts,
  plan: Plan,
  options: { readonly full: boolean; readonly label?: string | undefined },
): OpenedPool {
  try {
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
        label: new TextEncoder().encode(options.label ?? ""),
        incompatible: backing.layout === "split" ? INCOMPATIBLE_SPLIT : 0,
        nowMs: Date.now(),
        full: options.full,
      });
    } finally {
      unmapBacking(mapping);
    }
    return { backing, superblock: readSuperblock(backing) };
  } catch (error) {
    closeBacking(backing);
    throw error;
  }
}
