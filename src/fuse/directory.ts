/** READDIR and READDIRPLUS of the one directory: `.`, `..` and `disk`. */
import * as abi from "./abi.js";
import type { Exchange } from "./exchange.js";

/** The two nodes of a mount, and the one name in it: "disk". */
export const NODE_ROOT = 1;
export const NODE_DISK = 2;
export const DISK_NAME = new Uint8Array([0x64, 0x69, 0x73, 0x6b]);

const DOT = 0x2e;
const entries = [
  { node: NODE_ROOT, type: abi.DT_DIR, name: new Uint8Array([DOT]) },
  { node: NODE_ROOT, type: abi.DT_DIR, name: new Uint8Array([DOT, DOT]) },
  { node: NODE_DISK, type: abi.DT_REG, name: DISK_NAME },
];

/**
 * Writes the entries from the request's offset on to the reply, as many as fit its size.
 * With `writer` each is preceded by its `fuse_entry_out`.
 * @returns bytes
 */
export function readDirectory(
  exchange: Exchange,
  writer: { putEntry(word: number, node: number): void } | null,
): number {
  const sizeBytes = exchange.u32(abi.fuse_read_in.word.size);
  const first = exchange.isHuge(abi.fuse_read_in.word.offset)
    ? entries.length
    : exchange.u64(abi.fuse_read_in.word.offset);
  let used = 0;
  for (let i = first; i < entries.length; i++) {
    const entry = entries[i];
    const prefixBytes = writer !== null ? abi.fuse_entry_out.sizeBytes : 0;
    const direntBytes = abi.fuse_dirent.sizeBytes + 8 * Math.ceil(entry.name.length / 8);
    if (used + prefixBytes + direntBytes > sizeBytes) break;
    const at = used / 4;
    exchange.reply.fill(0, exchange.body + at, exchange.body + at + (prefixBytes + direntBytes) / 4);
    // `.` and `..` have node 0, so that the kernel counts no lookup for them.
    if (writer !== null && entry.node === NODE_DISK) writer.putEntry(at, entry.node);
    putDirent(exchange, at + prefixBytes / 4, entry, i + 1);
    used += prefixBytes + direntBytes;
  }
  return used;
}

function putDirent(exchange: Exchange, at: number, entry: (typeof entries)[number], nextOffset: number): void {
  const word = abi.fuse_dirent.word;
  exchange.putU64(at + word.ino, entry.node);
  exchange.putU64(at + word.off, nextOffset);
  exchange.putU32(at + word.namelen, entry.name.length);
  exchange.putU32(at + word.type, entry.type);
  const nameWord = at + abi.fuse_dirent.sizeBytes / 4;
  // All names fit one word, little-endian.
  let packed = 0;
  for (let i = 0; i < entry.name.length; i++) packed |= entry.name[i] << (8 * i);
  exchange.putU32(nameWord, packed);
}
