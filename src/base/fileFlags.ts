/** Flags of fallocate(2), lseek(2) and statx(2): the system calls take them, and FUSE passes them on. */
export const FALLOC_FL_KEEP_SIZE = 0x01;
export const FALLOC_FL_PUNCH_HOLE = 0x02;
export const FALLOC_FL_ZERO_RANGE = 0x10;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
/** The fields that stat(2) has. */
export const STATX_BASIC_STATS = 0x7ff;
