/** Derives the geometry of a new pool from the requested sizes. */
import { totalmem } from "node:os";
import { UserError } from "../base/errors.js";
import { bytesToPagesCeil, bytesToPagesFloor, MIB } from "../base/units.js";
import { nodeMemory } from "../linux/proc/numaNodes.js";
import { chosenGeometry, defaultGeometry, type Geometry, pagesForWholeFile } from "../pool/geometry.js";

export interface SizeRequest {
  readonly sizeBytes?: number | undefined;
  readonly maxSizeBytes?: number | undefined;
  readonly poolSizeBytes?: number | undefined;
  /** An atomic write claims a new page before it frees the old one, so a full disk still needs some. */
  readonly atomicWrites?: boolean | undefined;
  /** Its memory is bound to this NUMA node. */
  readonly numaNode?: number | undefined;
}

export interface PoolPlan {
  readonly geometry: Geometry;
  readonly blocks: number;
}

/**
 * The geometry of a new pool of `pageCount` pages, or, where that is open, of
 * as many as hold the whole file.
 * @throws UserError for sizes that contradict each other
 */
export function planPool(request: SizeRequest, pageCount?: number): PoolPlan {
  const pages =
    pageCount ?? (request.poolSizeBytes === undefined ? undefined : bytesToPagesFloor(request.poolSizeBytes));
  if (request.sizeBytes === undefined && request.maxSizeBytes === undefined && pages !== undefined) {
    const geometry = defaultGeometry(pages);
    if (request.atomicWrites !== true) return { geometry, blocks: geometry.maxBlocks };
    const blocks = blocksBesideSpare(geometry.dataPages);
    return { geometry: chosenGeometry(pages, blocks), blocks };
  }
  const sizeBytes = request.sizeBytes ?? request.maxSizeBytes ?? defaultSizeBytes(request.numaNode);
  const blocks = bytesToPagesCeil(sizeBytes);
  const maxBlocks = bytesToPagesCeil(request.maxSizeBytes ?? sizeBytes);
  if (maxBlocks < blocks) {
    throw new UserError("--max-size", "smaller than --size", { code: "EINVAL", exitCode: 2 });
  }
  const spare = request.atomicWrites === true ? sparePages(maxBlocks) : 0;
  return { geometry: chosenGeometry(pages ?? pagesForWholeFile(maxBlocks) + spare, maxBlocks), blocks };
}

/** The largest file for which `dataPages` leave enough to spare. */
export function blocksBesideSpare(dataPages: number): number {
  return Math.max(1, dataPages - sparePages(dataPages));
}

/** 4 MiB: the longest request, four times; limbo of a durable pool keeps pages until the next flush. */
function sparePages(maxBlocks: number): number {
  return Math.min(1024, Math.max(16, Math.ceil(maxBlocks / 8)));
}

/** Half of the machine's memory, as tmpfs has it, or of the node's. */
function defaultSizeBytes(node?: number): number {
  const memory = node === undefined ? null : nodeMemory(node);
  return Math.floor((memory?.totalBytes ?? totalmem()) / 2 / MIB) * MIB;
}
