/**
 * What a request must be answered, from the manual pages, the kernel's header and
 * the design, not from the code: an errno, or 0. What must come of success is the
 * judge's. Body sizes are those of the structs in linux/fuse.h.
 */
import * as E from "../../../src/base/errno.js";
import { notMade } from "../../protocol/support/allowed.js";
import type { FileModel } from "./model.js";
import type { RequestView } from "./view.js";

const bodyBytes: Readonly<Record<number, number>> = {
  1: 1,
  3: 16,
  4: 88,
  14: 8,
  15: 40,
  16: 40,
  18: 24,
  20: 16,
  25: 24,
  27: 8,
  28: 40,
  29: 24,
  30: 16,
  34: 8,
  43: 32,
  44: 40,
  46: 24,
  52: 24,
};
const answeredEmpty = new Set([17, 18, 25, 29, 38]);
const xattrs = new Set([21, 22, 23, 24]);

const HUGE = 2 ** 53;
const FATTR_SIZE = 8;
const MAX_TRANSFER = 2 ** 20;

export interface Circumstances {
  readonly readOnly: boolean;
  readonly isDirect: boolean;
  /** What is overwritten gets a new page first. */
  readonly isAtomic: boolean;
  /** The medium has failed: nothing is changed any more. */
  readonly isStopped: boolean;
  /** Blocks that can still be mapped. */
  readonly room: number;
}

/** The errno that the request must be answered with. It has a header and is no notice. */
export function expectedErrno(request: RequestView, model: FileModel, now: Circumstances): number {
  const { opcode, nodeid } = request;
  if (request.len !== request.bytes.length) return E.EINVAL;
  if (notMade.has(opcode)) return E.EPERM;
  if (answeredEmpty.has(opcode)) return request.bodyBytes < (bodyBytes[opcode] ?? 0) ? E.EINVAL : 0;
  if (xattrs.has(opcode) || bodyBytes[opcode] === undefined) return E.ENOSYS;
  if (request.bodyBytes < bodyBytes[opcode]) return E.EINVAL;
  if (opcode === 1) return lookup(request);
  if (nodeid !== 1 && nodeid !== 2) return E.ENOENT;
  const isDisk = nodeid === 2;
  switch (opcode) {
    case 4:
      return isDisk ? setattr(request, model, now) : E.EPERM;
    case 14:
      return isDisk ? open(request, now) : E.EISDIR;
    case 15:
      return isDisk ? read(request, now) : E.EISDIR;
    case 16:
      return isDisk ? write(request, model, now) : E.EISDIR;
    case 20:
    case 30:
      return now.isStopped ? E.EIO : 0;
    case 27:
    case 28:
    case 44:
      return isDisk ? E.ENOTDIR : 0;
    case 34:
      return access(request, model, now);
    case 43:
      return isDisk ? fallocate(request, model, now) : E.EISDIR;
    case 46:
      return isDisk ? lseek(request, model) : E.EISDIR;
    default:
      return 0;
  }
}

function lookup(request: RequestView): number {
  const name = request.body();
  if (name.length < 2 || name.indexOf(0) !== name.length - 1) return E.EINVAL;
  if (request.nodeid !== 1) return request.nodeid === 2 ? E.ENOTDIR : E.ENOENT;
  if (name.length > 256) return E.ENAMETOOLONG;
  return Buffer.from(name).toString("latin1") === "disk\0" ? 0 : E.ENOENT;
}

/** Errors of everything that changes data. */
function change(now: Circumstances): number {
  if (now.readOnly) return E.EROFS;
  return now.isStopped && !now.isDirect ? E.EIO : 0;
}

function setattr(request: RequestView, model: FileModel, now: Circumstances): number {
  if (now.readOnly) return E.EROFS;
  if ((request.u32(0) & FATTR_SIZE) === 0) return 0;
  const size = request.u64(16);
  if (size >= HUGE) return E.EFBIG;
  if (change(now) !== 0) return change(now);
  if (size > model.maxBlocks * 4096) return E.EFBIG;
  if (size % 4096 !== 0) return E.EINVAL;
  if (now.isStopped) return E.EIO;
  return now.isDirect && size < model.sizeBytes ? E.EPERM : 0;
}

function open(request: RequestView, now: Circumstances): number {
  const flags = request.u32(0);
  if (now.readOnly && (flags & 3) !== 0) return E.EROFS;
  return (flags & 0o1000) !== 0 ? change(now) : 0;
}

function read(request: RequestView, now: Circumstances): number {
  if (request.u64(8) >= HUGE || request.u32(16) > MAX_TRANSFER) return E.EINVAL;
  return now.isDirect ? E.EIO : 0;
}

function write(request: RequestView, model: FileModel, now: Circumstances): number {
  const [offset, size] = [request.u64(8), request.u32(16)];
  if (size > request.bodyBytes - 40) return E.EINVAL;
  if (offset >= HUGE) return E.EFBIG;
  if (now.isDirect) return E.EIO;
  if (change(now) !== 0) return change(now);
  if (size > 0 && offset >= model.sizeBytes) return E.EFBIG;
  return isShortFor(model, offset, size, now) ? E.ENOSPC : 0;
}

/** Whether pages give out before a write is done, which goes from block to block. */
function isShortFor(model: FileModel, offset: number, size: number, now: Circumstances): boolean {
  if (!now.isAtomic || size === 0) return model.holesIn(offset, size) > now.room;
  let { room } = now;
  const end = Math.ceil(Math.min(offset + size, model.sizeBytes) / 4096);
  for (let block = Math.floor(offset / 4096); block < end; block++) {
    if (room === 0) return true;
    if (model.isMapped[block] === 0) room--;
  }
  return false;
}

/** Whether an edge of a discard is to be zeroed in a mapped block, for which there is no other page. */
function isShortForEdges(model: FileModel, offset: number, length: number, now: Circumstances): boolean {
  if (!now.isAtomic || now.room > 0) return false;
  const edges = [offset, Math.min(offset + length, model.sizeBytes)].filter((edge) => edge % 4096 !== 0);
  return offset < model.sizeBytes && edges.some((edge) => model.isMapped[Math.floor(edge / 4096)] === 1);
}

function access(request: RequestView, model: FileModel, now: Circumstances): number {
  const mask = request.u32(0) & 7;
  if ((mask & 2) !== 0 && now.readOnly) return E.EROFS;
  const mode = request.nodeid === 2 ? model.mode : 0o755;
  const mayExecute = (mode & 0o111) !== 0 ? 1 : 0;
  const shift = request.uid === model.uid ? 6 : request.gid === model.gid ? 3 : 0;
  const granted = request.uid === 0 ? 6 | mayExecute : (mode >> shift) & 7;
  return (mask & ~granted) === 0 ? 0 : E.EACCES;
}

function fallocate(request: RequestView, model: FileModel, now: Circumstances): number {
  const [offset, length, mode] = [request.u64(8), request.u64(16), request.u32(24)];
  if (offset >= HUGE || length >= HUGE) return E.EFBIG;
  if (length === 0) return E.EINVAL;
  if (offset + length >= Number.MAX_SAFE_INTEGER) return E.EFBIG;
  if (![0, 1, 3, 0x10, 0x11].includes(mode)) return E.EOPNOTSUPP;
  if ((mode & 1) === 0 && offset + length > model.sizeBytes) return E.EFBIG;
  if (change(now) !== 0) return change(now);
  const isShort = mode <= 1 ? model.holesIn(offset, length) > now.room : isShortForEdges(model, offset, length, now);
  return isShort ? E.ENOSPC : 0;
}

function lseek(request: RequestView, model: FileModel): number {
  const [offset, whence] = [request.u64(8), request.u32(16)];
  if (offset >= HUGE || (whence !== 3 && whence !== 4)) return E.EINVAL;
  if (offset >= model.sizeBytes) return E.ENXIO;
  return whence === 3 && model.seek(offset, true) >= model.sizeBytes ? E.ENXIO : 0;
}
