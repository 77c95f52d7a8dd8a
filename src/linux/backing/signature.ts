/**
 * Recognises the content of a file that is about to be formatted. blkid(8) knows
 * most signatures; the small table is for machines without it, and for DAX
 * devices, which blkid cannot read.
 */
import { runSync } from "../process/command.js";
import type { Backing } from "./backing.js";
import { readMetadata } from "./readMetadata.js";

const BLKID_TIMEOUT_MS = 5000;

/** Name, byte offset and bytes of a signature (latin1); offsets from each project's on-disk format. */
const signatures: readonly (readonly [string, number, string])[] = [
  ["xfs", 0, "XFSB"],
  ["LUKS", 0, "LUKS\xba\xbe"],
  ["ntfs", 3, "NTFS    "],
  ["vfat", 54, "FAT1"],
  ["vfat", 82, "FAT32"],
  ["exfat", 3, "EXFAT   "],
  ["squashfs", 0, "hsqs"],
  ["gpt", 512, "EFI PART"],
  ["gpt", 4096, "EFI PART"],
  ["LVM2_member", 512, "LABELONE"],
  ["f2fs", 1024, "\x10\x20\xf5\xf2"],
  ["ext2/3/4", 1080, "\x53\xef"],
  ["swap", 4086, "SWAPSPACE2"],
  ["swap", 4086, "SWAP-SPACE"],
  ["iso9660", 32769, "CD001"],
  ["btrfs", 65600, "_BHRfS_M"],
  ["mbr", 510, "\x55\xaa"],
];

/** @returns the name of a file system, partition table or container found on the backing, or null */
export function looksLike(backing: Backing): string | null {
  if (backing.kind !== "devdax") {
    for (const fd of new Set([backing.metaFd, backing.dataFd])) {
      const found = blkid(fd, "TYPE") ?? blkid(fd, "PTTYPE");
      if (found !== null) return found;
    }
  }
  return signatureOf(readMetadata(backing, 0, 65664));
}

/** The first signature of the table in the leading bytes of a device. */
export function signatureOf(bytes: Uint8Array): string | null {
  for (const [name, at, signature] of signatures) {
    if (at + signature.length > bytes.length) continue;
    if (Buffer.from(bytes.buffer, bytes.byteOffset + at, signature.length).toString("latin1") === signature)
      return name;
  }
  return null;
}

/** The child reads the inherited fd 3, as the path may be gone or lead elsewhere by then. */
function blkid(fd: number, tag: string): string | null {
  const look = ["-p", "-o", "value", "-s", tag, "/proc/self/fd/3"];
  const result = runSync("blkid", look, { timeoutMs: BLKID_TIMEOUT_MS, inheritedFd: fd });
  const name = result.status === 0 ? result.stdout.trim() : "";
  return name === "" ? null : name;
}
