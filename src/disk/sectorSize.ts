/**
 * The sector size that what is on a disk was made for. A file system cannot be mounted on a
 * device whose sectors are larger than its own blocks, and a GPT is looked for in the second sector.
 */

/** Bytes from the beginning that `neededSectorBytes` looks at. */
export const SECTOR_LOOK_BYTES = 68 * 1024;

const MOST_BYTES = 4096;
const LEAST_BYTES = 512;

/** Offsets of each project's on-disk format. */
const XFS_SECTOR_SIZE_AT = 102;
const EXT_SUPERBLOCK_AT = 1024;
const EXT_LOG_BLOCK_SIZE_AT = EXT_SUPERBLOCK_AT + 24;
const EXT_MAGIC_AT = EXT_SUPERBLOCK_AT + 56;
const BTRFS_SUPERBLOCK_AT = 65536;
const BTRFS_MAGIC_AT = BTRFS_SUPERBLOCK_AT + 64;
const BTRFS_SECTOR_SIZE_AT = BTRFS_SUPERBLOCK_AT + 144;
const BOOT_SIGNATURE_AT = 510;
const BYTES_PER_SECTOR_AT = 11;

/** @param bytes the beginning of the disk @returns a power of two from 512 to 4096; 4096 where nothing speaks for less */
export function neededSectorBytes(bytes: Uint8Array): number {
  const wanted = sectorBytesOf(bytes);
  const isPossible = wanted >= LEAST_BYTES && wanted <= MOST_BYTES && (wanted & (wanted - 1)) === 0;
  return isPossible ? wanted : MOST_BYTES;
}

function sectorBytesOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const has = (at: number, text: string): boolean =>
    at + text.length <= bytes.length && [...text].every((char, i) => bytes[at + i] === char.charCodeAt(0));
  if (has(0, "XFSB")) return view.getUint16(XFS_SECTOR_SIZE_AT);
  if (has(BTRFS_MAGIC_AT, "_BHRfS_M")) return view.getUint32(BTRFS_SECTOR_SIZE_AT, true);
  if (has(EXT_MAGIC_AT, "\x53\xef")) return 1024 * 2 ** Math.min(2, view.getUint32(EXT_LOG_BLOCK_SIZE_AT, true));
  if (has(LEAST_BYTES, "EFI PART")) return LEAST_BYTES;
  // FAT, exFAT and NTFS say it in their boot sector; a partition table in there counts in sectors of 512 bytes.
  if (has(BOOT_SIGNATURE_AT, "\x55\xaa")) {
    const said = view.getUint16(BYTES_PER_SECTOR_AT, true);
    return said >= LEAST_BYTES && said <= MOST_BYTES ? said : LEAST_BYTES;
  }
  return MOST_BYTES;
}
