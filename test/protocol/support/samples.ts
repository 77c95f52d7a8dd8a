/** One request of each opcode that is served as it stands, and what must become of its beginnings. */
import { fill, MINUS, request, u32, u64 } from "./wire.js";

export interface Sample {
  readonly opcode: number;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The error of each beginning of it that has a whole header and says its length rightly; null: no answer. */
  readonly cut: string | null;
}

const x = "78 00";
const releaseBody = [u64(0), u32(0x8002), u32(0), u64(0)];
const readBody = (offset: number, size: number): string[] => [
  u64(0), // fh
  u64(offset),
  u32(size),
  u32(0), // read_flags
  u64(0), // lock_owner
  u32(0x8002), // flags
  u32(0), // padding
];

function sample(opcode: number, name: string, cut: string | null, nodeid: number, ...body: string[]): Sample {
  return { opcode, name, bytes: request(opcode, nodeid, ...body), cut };
}

export const samples: readonly Sample[] = [
  sample(1, "LOOKUP", MINUS.EINVAL, 1, "64 69 73 6b 00"),
  sample(2, "FORGET", null, 2, u64(1)),
  sample(3, "GETATTR", MINUS.EINVAL, 2, u32(0), u32(0), u64(0)),
  // FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME
  sample(4, "SETATTR", MINUS.EINVAL, 2, u32(0x3f), fill(12), u64(8192), fill(44, 1), u32(0o100644), fill(16, 1)),
  sample(6, "SYMLINK", MINUS.EPERM, 1, x, "79 00"),
  sample(8, "MKNOD", MINUS.EPERM, 1, u32(0o100644), u32(0), u32(0o22), u32(0), x),
  sample(9, "MKDIR", MINUS.EPERM, 1, u32(0o755), u32(0o22), x),
  sample(10, "UNLINK", MINUS.EPERM, 1, "64 69 73 6b 00"),
  sample(11, "RMDIR", MINUS.EPERM, 1, x),
  sample(12, "RENAME", MINUS.EPERM, 1, u64(1), "64 69 73 6b 00", x),
  sample(13, "LINK", MINUS.EPERM, 1, u64(2), x),
  // O_RDWR | O_TRUNC
  sample(14, "OPEN", MINUS.EINVAL, 2, u32(0o1002), u32(0)),
  sample(15, "READ", MINUS.EINVAL, 2, ...readBody(4094, 9)),
  sample(16, "WRITE", MINUS.EINVAL, 2, ...readBody(4094, 9), fill(9, 0x66)),
  sample(17, "STATFS", null, 1),
  sample(18, "RELEASE", MINUS.EINVAL, 2, ...releaseBody),
  sample(20, "FSYNC", MINUS.EINVAL, 2, u64(0), u32(1), u32(0)),
  sample(21, "SETXATTR", MINUS.ENOSYS, 2, u32(1), u32(0), x, "01"),
  sample(22, "GETXATTR", MINUS.ENOSYS, 2, u32(255), u32(0), x),
  sample(23, "LISTXATTR", MINUS.ENOSYS, 2, u32(255), u32(0)),
  sample(24, "REMOVEXATTR", MINUS.ENOSYS, 2, x),
  sample(25, "FLUSH", MINUS.EINVAL, 2, u64(0), u32(0), u32(0), u64(0)),
  sample(27, "OPENDIR", MINUS.EINVAL, 1, u32(0x8000), u32(0)),
  sample(28, "READDIR", MINUS.EINVAL, 1, ...readBody(0, 4096)),
  sample(29, "RELEASEDIR", MINUS.EINVAL, 1, ...releaseBody),
  sample(30, "FSYNCDIR", MINUS.EINVAL, 1, u64(0), u32(1), u32(0)),
  sample(34, "ACCESS", MINUS.EINVAL, 2, u32(6), u32(0)),
  sample(35, "CREATE", MINUS.EPERM, 1, u32(0o102), u32(0o100644), u32(0o22), u32(0), x),
  sample(36, "INTERRUPT", null, 0, u64(4)),
  sample(38, "DESTROY", null, 0),
  sample(42, "BATCH_FORGET", null, 0, u32(1), u32(0), u64(2), u64(1)),
  // PUNCH_HOLE | KEEP_SIZE
  sample(43, "FALLOCATE", MINUS.EINVAL, 2, u64(0), u64(100), u64(9000), u32(3), u32(0)),
  sample(44, "READDIRPLUS", MINUS.EINVAL, 1, ...readBody(0, 4096)),
  sample(45, "RENAME2", MINUS.EPERM, 1, u64(1), u32(0), u32(0), "64 69 73 6b 00", x),
  // SEEK_DATA
  sample(46, "LSEEK", MINUS.EINVAL, 2, u64(0), u64(0), u32(3), u32(0)),
  sample(51, "TMPFILE", MINUS.EPERM, 1, u32(0o102), u32(0o100644), u32(0o22), u32(0), x),
  sample(52, "STATX", MINUS.EINVAL, 2, u32(0), u32(0), u64(0), u32(0), u32(0x7ff)),
];

/** Opcodes that the kernel expects no answer to. */
export const NOTICES: ReadonlySet<number> = new Set([2, 36, 42]);
