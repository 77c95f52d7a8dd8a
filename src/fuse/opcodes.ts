/**
 * One row per opcode with all its facts: the length check, the handler, and
 * whether there is a reply.
 */
import { ENOSYS, EPERM } from "../base/errno.js";
import * as abi from "./abi.js";
import type { FileSystem } from "./fileSystem.js";

/** Returns bytes of the reply's body, `-errno`, or REPLIED. */
export type Handler = (fs: FileSystem) => number;

export interface OpcodeRow {
  readonly opcode: number;
  readonly name: string;
  /** Bytes that must follow the header. */
  readonly inBytes: number;
  /** False for notices, to which the kernel expects no reply. */
  readonly answered: boolean;
  readonly handler: Handler;
}

const done: Handler = () => 0;

/** Undefined for an unknown opcode. */
export const rowByOpcode: (OpcodeRow | undefined)[] = new Array(64).fill(undefined);

function row(opcode: number, name: string, inBytes: number, handler: Handler): void {
  rowByOpcode[opcode] = { opcode, name, inBytes, answered: true, handler };
}

function notice(opcode: number, name: string, inBytes: number): void {
  rowByOpcode[opcode] = { opcode, name, inBytes, answered: false, handler: done };
}

/** One directory with one file: nothing can be created, removed or renamed. */
const refused: Handler = () => -EPERM;
/** The kernel remembers this reply and stops asking, which is harmless here. */
const absent: Handler = () => -ENOSYS;

row(1, "LOOKUP", 1, (fs) => fs.lookup());
notice(2, "FORGET", abi.fuse_forget_in.sizeBytes);
row(3, "GETATTR", abi.fuse_getattr_in.sizeBytes, (fs) => fs.getattr());
row(4, "SETATTR", abi.fuse_setattr_in.sizeBytes, (fs) => fs.setattr());
row(6, "SYMLINK", 0, refused);
row(8, "MKNOD", 0, refused);
row(9, "MKDIR", 0, refused);
row(10, "UNLINK", 0, refused);
row(11, "RMDIR", 0, refused);
row(12, "RENAME", 0, refused);
row(13, "LINK", 0, refused);
row(14, "OPEN", abi.fuse_open_in.sizeBytes, (fs) => fs.open());
row(15, "READ", abi.fuse_read_in.sizeBytes, (fs) => fs.requireDisk() || fs.read());
row(16, "WRITE", abi.fuse_write_in.sizeBytes, (fs) => fs.requireDisk() || fs.write());
row(17, "STATFS", 0, (fs) => fs.statfs());
row(18, "RELEASE", abi.fuse_release_in.sizeBytes, done);
row(20, "FSYNC", abi.fuse_fsync_in.sizeBytes, (fs) => fs.fsync());
row(21, "SETXATTR", 0, absent);
row(22, "GETXATTR", 0, absent);
row(23, "LISTXATTR", 0, absent);
row(24, "REMOVEXATTR", 0, absent);
// close(2) promises nothing about the media, and acknowledged data is already in the pool.
row(25, "FLUSH", abi.fuse_flush_in.sizeBytes, done);
row(27, "OPENDIR", abi.fuse_open_in.sizeBytes, (fs) => fs.opendir());
row(28, "READDIR", abi.fuse_read_in.sizeBytes, (fs) => fs.readdir(false));
row(29, "RELEASEDIR", abi.fuse_release_in.sizeBytes, done);
row(30, "FSYNCDIR", abi.fuse_fsync_in.sizeBytes, (fs) => fs.fsync());
row(34, "ACCESS", abi.fuse_access_in.sizeBytes, (fs) => fs.access());
row(35, "CREATE", 0, refused);
// When its INTERRUPT can be read a request has ended or soon will: no request blocks for long.
notice(36, "INTERRUPT", abi.fuse_interrupt_in.sizeBytes);
row(38, "DESTROY", 0, done);
notice(42, "BATCH_FORGET", abi.fuse_batch_forget_in.sizeBytes);
row(43, "FALLOCATE", abi.fuse_fallocate_in.sizeBytes, (fs) => fs.requireDisk() || fs.fallocate());
row(44, "READDIRPLUS", abi.fuse_read_in.sizeBytes, (fs) => fs.readdir(true));
row(45, "RENAME2", 0, refused);
row(46, "LSEEK", abi.fuse_lseek_in.sizeBytes, (fs) => fs.requireDisk() || fs.lseek());
row(51, "TMPFILE", 0, refused);
row(52, "STATX", abi.fuse_statx_in.sizeBytes, (fs) => fs.statx());
