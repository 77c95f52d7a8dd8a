/**
 * The one-file file system: a directory (node 1) with the file `disk` (node 2).
 * Handlers read the validated request from the exchange, call one method of the
 * file, and write the reply's body. File handles carry no state, so that any
 * server can answer for any other.
 */
import {
  EACCES,
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOSYS,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  EROFS,
} from "../base/errno.js";
import * as flags from "../base/fileFlags.js";
import type { Clock, FaultCounts } from "../base/ports.js";
import { PAGE_BYTES } from "../base/units.js";
import type { DiskFile } from "../blockfile/diskFile.js";
import * as abi from "./abi.js";
import type { Attributes, NodeFacts } from "./attributes.js";
import { DISK_NAME, NODE_DISK, NODE_ROOT, readDirectory } from "./directory.js";
import { type Exchange, REPLIED } from "./exchange.js";
import { MAX_TRANSFER_BYTES } from "./init.js";

/** The kernel may cache the name, which never changes, but not the attributes, which change without notice. */
const ENTRY_VALID_SECONDS = 3600;

/** NAME_MAX, as statfs says. */
const NAME_BYTES_MOST = 255;

export interface FileSystemParts {
  readonly file: DiskFile;
  readonly attributes: Attributes;
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly readOnly: boolean;
  /** The file ends with us, and nobody else can take it away: a flush has nothing to do, and nothing to tell. */
  readonly isVolatile: boolean;
  /** The backing file for passthrough; 0 when all data is served. */
  readonly backingId: number;
}

export class FileSystem {
  private readonly file: DiskFile;
  readonly exchange: Exchange;
  private readonly attributes: Attributes;
  private readonly clock: Clock;
  private readonly readOnly: boolean;
  private readonly isVolatile: boolean;
  private readonly backingId: number;

  constructor(parts: FileSystemParts) {
    this.file = parts.file;
    this.exchange = parts.exchange;
    this.attributes = parts.attributes;
    this.clock = parts.clock;
    this.readOnly = parts.readOnly;
    this.isVolatile = parts.isVolatile;
    this.backingId = parts.backingId;
  }

  /** Called before a request is dispatched. @returns the recorded faults on lost memory; with more it must fail */
  enter(): number {
    // The recorded faults, not all faults: those not yet recorded concern this request too.
    const { faultsSeen } = this.file;
    this.file.enter();
    return faultsSeen;
  }

  /** Called after the reply is sent. */
  leave(): void {
    this.file.leave();
  }

  /** Replies EIO, as memory of the pool was lost. @param faults null for a loss at an unknown place */
  failLost(faults: FaultCounts | null): void {
    this.file.noteLoss(faults);
    this.exchange.fail(EIO);
  }

  lookup(): number {
    const { exchange } = this;
    if (!exchange.hasName()) return -EINVAL;
    if (exchange.nodeid !== NODE_ROOT) return exchange.nodeid === NODE_DISK ? -ENOTDIR : -ENOENT;
    if (exchange.bodyBytes > NAME_BYTES_MOST + 1) return -ENAMETOOLONG;
    if (!exchange.isName(DISK_NAME)) return -ENOENT;
    exchange.clearBody(abi.fuse_entry_out.sizeBytes);
    this.putEntry(0, NODE_DISK);
    return abi.fuse_entry_out.sizeBytes;
  }

  getattr(): number {
    const node = this.node();
    return node < 0 ? node : this.replyAttr(node);
  }

  statx(): number {
    const node = this.node();
    if (node < 0) return node;
    const { exchange } = this;
    exchange.clearBody(abi.fuse_statx_out.sizeBytes);
    this.attributes.putStatx(exchange, abi.fuse_statx_out.word.stat, this.factsOf(node), flags.STATX_BASIC_STATS);
    return abi.fuse_statx_out.sizeBytes;
  }

  setattr(): number {
    const node = this.node();
    if (node < 0) return node;
    if (node !== NODE_DISK) return -EPERM;
    if (this.readOnly) return -EROFS;
    const { exchange } = this;
    const word = abi.fuse_setattr_in.word;
    const valid = exchange.u32(word.valid);
    if ((valid & abi.FATTR_SIZE) !== 0) {
      if (exchange.isHuge(word.size)) return -EFBIG;
      const error = this.file.resize(exchange.u64(word.size));
      if (error < 0) return error;
    }
    this.setOwnerAndMode(valid);
    this.setTimes(valid);
    return this.replyAttr(node);
  }

  open(): number {
    const { exchange } = this;
    if (exchange.nodeid === NODE_ROOT) return -EISDIR;
    const node = this.node();
    if (node < 0) return node;
    const flags = exchange.u32(abi.fuse_open_in.word.flags);
    if (this.readOnly && (flags & abi.O_ACCMODE) !== 0) return -EROFS;
    if ((flags & abi.O_TRUNC) !== 0) {
      // The disk keeps its size; truncation discards its content.
      const error = this.file.discard(0, this.file.sizeBytes);
      if (error < 0) return error;
    }
    // All opens of an inode must use the same mode (fuse_file_io_open).
    return this.backingId === 0
      ? this.replyOpen(abi.FOPEN_DIRECT_IO | abi.FOPEN_PARALLEL_DIRECT_WRITES, 0)
      : this.replyOpen(abi.FOPEN_PASSTHROUGH, this.backingId);
  }

  opendir(): number {
    if (this.exchange.nodeid === NODE_DISK) return -ENOTDIR;
    const node = this.node();
    return node < 0 ? node : this.replyOpen(0, 0);
  }

  read(): number {
    const { exchange } = this;
    const word = abi.fuse_read_in.word;
    const size = exchange.u32(word.size);
    if (exchange.isHuge(word.offset) || size > MAX_TRANSFER_BYTES) return -EINVAL;
    exchange.beginData();
    const read = this.file.read(exchange.u64(word.offset), size, exchange.iovecs);
    if (read < 0) return read;
    exchange.endData();
    return REPLIED;
  }

  write(): number {
    const { exchange } = this;
    const word = abi.fuse_write_in.word;
    const size = exchange.u32(word.size);
    if (size > exchange.bodyBytes - abi.fuse_write_in.sizeBytes) return -EINVAL;
    if (exchange.isHuge(word.offset)) return -EFBIG;
    const source = exchange.bodyAddress(abi.fuse_write_in.sizeBytes);
    const written = this.file.write(exchange.u64(word.offset), size, source);
    if (written < 0) return written;
    exchange.putU32(abi.fuse_write_out.word.size, written);
    exchange.putU32(abi.fuse_write_out.word.padding, 0);
    return abi.fuse_write_out.sizeBytes;
  }

  fsync(): number {
    const node = this.node();
    if (node < 0) return node;
    const errno = this.file.flush();
    // The kernel does not ask again, and says that it is done (fuse_fsync).
    return errno === 0 && this.isVolatile ? -ENOSYS : errno;
  }

  fallocate(): number {
    const { exchange } = this;
    const word = abi.fuse_fallocate_in.word;
    if (exchange.isHuge(word.offset) || exchange.isHuge(word.length)) return -EFBIG;
    const offset = exchange.u64(word.offset);
    const length = exchange.u64(word.length);
    if (length === 0) return -EINVAL;
    if (offset + length >= Number.MAX_SAFE_INTEGER) return -EFBIG;
    return this.fallocateRange(exchange.u32(word.mode), offset, length);
  }

  private fallocateRange(mode: number, offset: number, length: number): number {
    const keepsSize = (mode & flags.FALLOC_FL_KEEP_SIZE) !== 0;
    const act = mode & ~flags.FALLOC_FL_KEEP_SIZE;
    if (act === flags.FALLOC_FL_PUNCH_HOLE) return keepsSize ? this.file.discard(offset, length) : -EOPNOTSUPP;
    if (act !== flags.FALLOC_FL_ZERO_RANGE && act !== 0) return -EOPNOTSUPP;
    // Without KEEP_SIZE a range past the end would grow the file, but the disk has a fixed size.
    if (!keepsSize && offset + length > this.file.sizeBytes) return -EFBIG;
    return act === 0 ? this.file.reserve(offset, length) : this.file.discard(offset, length);
  }

  lseek(): number {
    const { exchange } = this;
    const word = abi.fuse_lseek_in.word;
    if (exchange.isHuge(word.offset)) return -EINVAL;
    const whence = exchange.u32(word.whence);
    if (whence !== flags.SEEK_DATA && whence !== flags.SEEK_HOLE) return -EINVAL;
    const offset = exchange.u64(word.offset);
    const found = whence === flags.SEEK_DATA ? this.file.seekData(offset) : this.file.seekHole(offset);
    if (found < 0) return found;
    exchange.putU64(abi.fuse_lseek_out.word.offset, found);
    return abi.fuse_lseek_out.sizeBytes;
  }

  statfs(): number {
    const { exchange } = this;
    const word = abi.fuse_kstatfs.word;
    exchange.clearBody(abi.fuse_kstatfs.sizeBytes);
    exchange.putU64(word.blocks, this.file.capacityPages);
    exchange.putU64(word.bfree, this.file.freePages);
    exchange.putU64(word.bavail, this.file.freePages);
    exchange.putU64(word.files, 2);
    // Becomes the loop device's discard granularity.
    exchange.putU32(word.bsize, PAGE_BYTES);
    exchange.putU32(word.frsize, PAGE_BYTES);
    exchange.putU32(word.namelen, NAME_BYTES_MOST);
    return abi.fuse_kstatfs.sizeBytes;
  }

  readdir(plus: boolean): number {
    if (this.exchange.nodeid === NODE_DISK) return -ENOTDIR;
    const node = this.node();
    return node < 0 ? node : readDirectory(this.exchange, plus ? this : null);
  }

  access(): number {
    const node = this.node();
    if (node < 0) return node;
    const { exchange, attributes } = this;
    const mask = exchange.u32(abi.fuse_access_in.word.mask) & 7;
    const mode = attributes.modeOf(node);
    if ((mask & 2) !== 0 && this.readOnly) return -EROFS;
    const isOwner = exchange.uid === attributes.uid;
    const shift = isOwner ? 6 : exchange.gid === attributes.gid ? 3 : 0;
    const granted = exchange.uid === 0 ? 6 | (mode & 0o111 ? 1 : 0) : (mode >> shift) & 7;
    return (mask & ~granted) === 0 ? 0 : -EACCES;
  }

  /** Writes the `fuse_entry_out` of a node to the reply body at word `at`. */
  putEntry(at: number, node: number): void {
    const { exchange } = this;
    exchange.putU64(at + abi.fuse_entry_out.word.nodeid, node);
    exchange.putU64(at + abi.fuse_entry_out.word.entry_valid, ENTRY_VALID_SECONDS);
    this.attributes.putAttr(exchange, at + abi.fuse_entry_out.word.attr, this.factsOf(node));
  }

  /** The request's node, or -ENOENT. */
  private node(): number {
    const node = this.exchange.nodeid;
    return node === NODE_ROOT || node === NODE_DISK ? node : -ENOENT;
  }

  /** 0 for a request on `disk`, otherwise -errno. */
  requireDisk(): number {
    const node = this.exchange.nodeid;
    return node === NODE_DISK ? 0 : node === NODE_ROOT ? -EISDIR : -ENOENT;
  }

  private replyAttr(node: number): number {
    const { exchange } = this;
    exchange.clearBody(abi.fuse_attr_out.sizeBytes);
    this.attributes.putAttr(exchange, abi.fuse_attr_out.word.attr, this.factsOf(node));
    return abi.fuse_attr_out.sizeBytes;
  }

  private replyOpen(openFlags: number, backingId: number): number {
    const { exchange } = this;
    exchange.clearBody(abi.fuse_open_out.sizeBytes);
    exchange.putU32(abi.fuse_open_out.word.open_flags, openFlags);
    exchange.putU32(abi.fuse_open_out.word.backing_id, backingId);
    return abi.fuse_open_out.sizeBytes;
  }

  private factsOf(node: number): NodeFacts {
    if (node === NODE_ROOT) return { node, sizeBytes: 0, heldBytes: 0, changedMs: 0 };
    const { sizeBytes, mappedBytes, changedMs } = this.file;
    return { node, sizeBytes, heldBytes: mappedBytes, changedMs };
  }

  private setOwnerAndMode(valid: number): void {
    const { exchange, attributes } = this;
    const word = abi.fuse_setattr_in.word;
    if ((valid & abi.FATTR_MODE) !== 0) attributes.setMode(exchange.u32(word.mode));
    if ((valid & abi.FATTR_UID) !== 0) attributes.setUid(exchange.u32(word.uid));
    if ((valid & abi.FATTR_GID) !== 0) attributes.setGid(exchange.u32(word.gid));
  }

  private setTimes(valid: number): void {
    const { exchange, attributes } = this;
    const word = abi.fuse_setattr_in.word;
    const nowMs = this.clock.nowMs();
    const nowSeconds = Math.floor(nowMs / 1000);
    const nowNanoseconds = (nowMs % 1000) * 1_000_000;
    if ((valid & abi.FATTR_ATIME_NOW) !== 0) attributes.setAtime(nowSeconds, nowNanoseconds);
    else if ((valid & abi.FATTR_ATIME) !== 0) {
      attributes.setAtime(exchange.seconds(word.atime), exchange.u32(word.atimensec));
    }
    if ((valid & abi.FATTR_MTIME_NOW) !== 0) attributes.setMtime(nowSeconds, nowNanoseconds, nowMs);
    else if ((valid & abi.FATTR_MTIME) !== 0) {
      attributes.setMtime(exchange.seconds(word.mtime), exchange.u32(word.mtimensec), nowMs);
    }
    attributes.touchCtime(nowMs);
  }
}
