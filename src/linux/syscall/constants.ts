/**
 * Numbers of the Linux system call interface under the names of the kernel's
 * headers. Those that differ between x86-64 and arm64 are chosen at load.
 */
const arm64 = process.arch === "arm64";

// asm-generic/fcntl.h; arm64 swaps these three in its own fcntl.h.
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_DIRECTORY = arm64 ? 0o40000 : 0o200000;
export const O_NOFOLLOW = arm64 ? 0o100000 : 0o400000;
/** Has O_DIRECTORY in it: kernels without it refuse. */
export const O_TMPFILE = 0o20000000 | O_DIRECTORY;

// asm-generic/mman.h
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_SHARED_VALIDATE = 0x03;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
export const MAP_SYNC = 0x80000;
export const MADV_DONTFORK = 10;
export const MADV_NOHUGEPAGE = 15;
export const MADV_DONTDUMP = 16;
export const MADV_POPULATE_READ = 22;
export const MADV_POPULATE_WRITE = 23;

// asm-generic/errno.h: an errno that Node has no name for.
export const EHWPOISON = 133;

// linux/fcntl.h, linux/stat.h
export const AT_EMPTY_PATH = 0x1000;

// sys/file.h
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

// linux/fcntl.h, asm-generic/fcntl.h
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const O_NONBLOCK = 0o4000;
export const FD_CLOEXEC = 1;
export const F_SETLEASE = 1024;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

// linux/memfd.h, linux/fcntl.h
export const MFD_CLOEXEC = 0x01;
export const MFD_ALLOW_SEALING = 0x02;
export const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 0x01;
export const F_SEAL_SHRINK = 0x02;
export const F_SEAL_GROW = 0x04;

// linux/mount.h
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_REMOUNT = 0x20;
export const MS_DIRSYNC = 0x80;
export const MS_NOSYMFOLLOW = 0x100;
export const MS_REC = 0x4000;
export const MS_PRIVATE = 0x40000;
export const MS_LAZYTIME = 0x2000000;
export const MNT_DETACH = 2;
export const MNT_EXPIRE = 4;
export const UMOUNT_NOFOLLOW = 8;
export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const FSPICK_CLOEXEC = 1;
export const FSPICK_EMPTY_PATH = 8;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_CMD_CREATE = 6;
export const FSCONFIG_CMD_RECONFIGURE = 7;
export const MOUNT_ATTR_NOSUID = 2;
export const MOUNT_ATTR_NODEV = 4;

// asm-generic/unistd.h: equal on every architecture since number 424.
export const SYS_fsopen = 430;
export const SYS_fsconfig = 431;
export const SYS_fsmount = 432;
export const SYS_fspick = 433;

// asm/unistd_64.h of x86, asm-generic/unistd.h.
export const SYS_mbind = arm64 ? 235 : 237;
export const SYS_get_mempolicy = arm64 ? 236 : 239;

// linux/mempolicy.h
export const MPOL_BIND = 2;
export const MPOL_F_ADDR = 2;
export const MPOL_MF_STRICT = 1;
export const MPOL_MF_MOVE = 2;
/** The highest three of the 16 bits of a mode are flags (MPOL_MODE_FLAGS). */
export const MPOL_MODES = 0x1fff;

// linux/prctl.h
export const PR_SET_IO_FLUSHER = 57;

// linux/socket.h
export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SCM_RIGHTS = 1;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

// linux/fuse.h
export const FUSE_DEV_IOC_CLONE = 0x8004e500;
export const FUSE_DEV_IOC_BACKING_OPEN = 0x4010e501;
export const FUSE_DEV_IOC_BACKING_CLOSE = 0x4004e502;

// linux/magic.h, the f_type of statfs(2)
export const TMPFS_MAGIC = 0x01021994;
export const RAMFS_MAGIC = 0x858458f6;
export const BTRFS_MAGIC = 0x9123683e;
export const HUGETLBFS_MAGIC = 0x958458f6;

/** ioctl_iflags(2); the kernel reads and writes 32 bits. */
export const FS_IOC_GETFLAGS = 0x80086601;
export const FS_IOC_SETFLAGS = 0x40086602;
export const FS_NOCOW_FL = 0x00800000;

// linux/loop.h
export const LOOP_SET_FD = 0x4c00;
export const LOOP_CLR_FD = 0x4c01;
export const LOOP_SET_STATUS64 = 0x4c04;
export const LOOP_GET_STATUS64 = 0x4c05;
export const LOOP_SET_CAPACITY = 0x4c07;
export const LOOP_SET_DIRECT_IO = 0x4c08;
export const LOOP_SET_BLOCK_SIZE = 0x4c09;
export const LOOP_CONFIGURE = 0x4c0a;
export const LOOP_CTL_GET_FREE = 0x4c82;
export const LO_FLAGS_READ_ONLY = 1;
export const LO_FLAGS_DIRECT_IO = 16;

// linux/fs.h
export const BLKGETDISKSEQ = 0x80081280;
export const FITHAW = 0xc0045878;
export const FITRIM = 0xc0185879;
