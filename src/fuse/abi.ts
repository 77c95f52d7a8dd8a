/**
 * The kernel's FUSE ABI, protocol 7.45: structs and flags under their names in
 * `include/uapi/linux/fuse.h`, declared once. A test compares offsets and sizes
 * with the system's header. Nested structs are arrays of words of their size.
 */
import { struct } from "../base/struct.js";

export const FUSE_KERNEL_VERSION = 7;
export const FUSE_KERNEL_MINOR_VERSION = 45;
/** The oldest protocol with everything in our reply: MAX_PAGES came with 7.28 (Linux 4.20). */
export const OLDEST_MINOR = 28;

export const fuse_in_header = struct("fuse_in_header", 40, {
  len: "u32",
  opcode: "u32",
  unique: "u64",
  nodeid: "u64",
  uid: "u32",
  gid: "u32",
  pid: "u32",
  total_extlen: "u16",
  padding: "u16",
});

export const fuse_out_header = struct("fuse_out_header", 16, { len: "u32", error: "u32", unique: "u64" });

export const fuse_attr = struct("fuse_attr", 88, {
  ino: "u64",
  size: "u64",
  blocks: "u64",
  atime: "u64",
  mtime: "u64",
  ctime: "u64",
  atimensec: "u32",
  mtimensec: "u32",
  ctimensec: "u32",
  mode: "u32",
  nlink: "u32",
  uid: "u32",
  gid: "u32",
  rdev: "u32",
  blksize: "u32",
  flags: "u32",
});

const attrWords = fuse_attr.sizeBytes / 4;

export const fuse_entry_out = struct("fuse_entry_out", 128, {
  nodeid: "u64",
  generation: "u64",
  entry_valid: "u64",
  attr_valid: "u64",
  entry_valid_nsec: "u32",
  attr_valid_nsec: "u32",
  attr: ["u32", attrWords],
});

export const fuse_getattr_in = struct("fuse_getattr_in", 16, { getattr_flags: "u32", dummy: "u32", fh: "u64" });

export const fuse_attr_out = struct("fuse_attr_out", 104, {
  attr_valid: "u64",
  attr_valid_nsec: "u32",
  dummy: "u32",
  attr: ["u32", attrWords],
});

export const fuse_statx_in = struct("fuse_statx_in", 24, {
  getattr_flags: "u32",
  reserved: "u32",
  fh: "u64",
  sx_flags: "u32",
  sx_mask: "u32",
});

export const fuse_statx = struct("fuse_statx", 256, {
  mask: "u32",
  blksize: "u32",
  attributes: "u64",
  nlink: "u32",
  uid: "u32",
  gid: "u32",
  mode: "u16",
  __spare0: "u16",
  ino: "u64",
  size: "u64",
  blocks: "u64",
  attributes_mask: "u64",
  atime: ["u64", 2],
  btime: ["u64", 2],
  ctime: ["u64", 2],
  mtime: ["u64", 2],
  rdev_major: "u32",
  rdev_minor: "u32",
  dev_major: "u32",
  dev_minor: "u32",
  __spare2: ["u64", 14],
});

export const fuse_statx_out = struct("fuse_statx_out", 288, {
  attr_valid: "u64",
  attr_valid_nsec: "u32",
  flags: "u32",
  spare: ["u64", 2],
  stat: ["u64", 32],
});

export const fuse_setattr_in = struct("fuse_setattr_in", 88, {
  valid: "u32",
  padding: "u32",
  fh: "u64",
  size: "u64",
  lock_owner: "u64",
  atime: "u64",
  mtime: "u64",
  ctime: "u64",
  atimensec: "u32",
  mtimensec: "u32",
  ctimensec: "u32",
  mode: "u32",
  unused4: "u32",
  uid: "u32",
  gid: "u32",
  unused5: "u32",
});

export const fuse_open_in = struct("fuse_open_in", 8, { flags: "u32", open_flags: "u32" });
export const fuse_open_out = struct("fuse_open_out", 16, { fh: "u64", open_flags: "u32", backing_id: "u32" });

export const fuse_release_in = struct("fuse_release_in", 24, {
  fh: "u64",
  flags: "u32",
  release_flags: "u32",
  lock_owner: "u64",
});

export const fuse_flush_in = struct("fuse_flush_in", 24, {
  fh: "u64",
  unused: "u32",
  padding: "u32",
  lock_owner: "u64",
});

export const fuse_read_in = struct("fuse_read_in", 40, {
  fh: "u64",
  offset: "u64",
  size: "u32",
  read_flags: "u32",
  lock_owner: "u64",
  flags: "u32",
  padding: "u32",
});

export const fuse_write_in = struct("fuse_write_in", 40, {
  fh: "u64",
  offset: "u64",
  size: "u32",
  write_flags: "u32",
  lock_owner: "u64",
  flags: "u32",
  padding: "u32",
});

export const fuse_write_out = struct("fuse_write_out", 8, { size: "u32", padding: "u32" });

export const fuse_kstatfs = struct("fuse_kstatfs", 80, {
  blocks: "u64",
  bfree: "u64",
  bavail: "u64",
  files: "u64",
  ffree: "u64",
  bsize: "u32",
  namelen: "u32",
  frsize: "u32",
  padding: "u32",
  spare: ["u32", 6],
});

export const fuse_fsync_in = struct("fuse_fsync_in", 16, { fh: "u64", fsync_flags: "u32", padding: "u32" });
export const fuse_access_in = struct("fuse_access_in", 8, { mask: "u32", padding: "u32" });

export const fuse_init_in = struct("fuse_init_in", 64, {
  major: "u32",
  minor: "u32",
  max_readahead: "u32",
  flags: "u32",
  flags2: "u32",
  unused: ["u32", 11],
});

export const fuse_init_out = struct("fuse_init_out", 64, {
  major: "u32",
  minor: "u32",
  max_readahead: "u32",
  flags: "u32",
  max_background: "u16",
  congestion_threshold: "u16",
  max_write: "u32",
  time_gran: "u32",
  max_pages: "u16",
  map_alignment: "u16",
  flags2: "u32",
  max_stack_depth: "u32",
  request_timeout: "u16",
  unused: ["u16", 11],
});

export const fuse_interrupt_in = struct("fuse_interrupt_in", 8, { unique: "u64" });
export const fuse_forget_in = struct("fuse_forget_in", 8, { nlookup: "u64" });
export const fuse_batch_forget_in = struct("fuse_batch_forget_in", 8, { count: "u32", dummy: "u32" });

export const fuse_fallocate_in = struct("fuse_fallocate_in", 32, {
  fh: "u64",
  offset: "u64",
  length: "u64",
  mode: "u32",
  padding: "u32",
});

export const fuse_lseek_in = struct("fuse_lseek_in", 24, {
  fh: "u64",
  offset: "u64",
  whence: "u32",
  padding: "u32",
});

export const fuse_lseek_out = struct("fuse_lseek_out", 8, { offset: "u64" });

/** Followed by the name, then zeros up to a multiple of 8 bytes. */
export const fuse_dirent = struct("fuse_dirent", 24, { ino: "u64", off: "u64", namelen: "u32", type: "u32" });

/** Flags of FUSE_INIT, first word. */
export const FUSE_ASYNC_READ = 1 << 0;
export const FUSE_ATOMIC_O_TRUNC = 1 << 3;
export const FUSE_BIG_WRITES = 1 << 5;
export const FUSE_DO_READDIRPLUS = 1 << 13;
export const FUSE_READDIRPLUS_AUTO = 1 << 14;
export const FUSE_ASYNC_DIO = 1 << 15;
export const FUSE_PARALLEL_DIROPS = 1 << 18;
export const FUSE_MAX_PAGES = 1 << 22;
export const FUSE_INIT_EXT = 1 << 30;

/** Flags of FUSE_INIT, second word (the header's bit minus 32). */
export const FUSE_DIRECT_IO_ALLOW_MMAP = 1 << (36 - 32);
export const FUSE_PASSTHROUGH = 1 << (37 - 32);
export const FUSE_HAS_RESEND = 1 << (39 - 32);

export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;
export const FOPEN_PASSTHROUGH = 1 << 7;

export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;

/** open(2), asm-generic. */
export const O_ACCMODE = 3;
export const O_TRUNC = 0o1000;

export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const DT_DIR = 4;
export const DT_REG = 8;
