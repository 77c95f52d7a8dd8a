/**
 * A text in memory that outlives the process as long as an fd is open. It is replaced
 * atomically: a SIGKILL at any moment leaves the old text or the new one.
 */
import { readSync, writeSync } from "node:fs";
import { assert } from "../../base/assert.js";
import { MFD_CLOEXEC } from "../syscall/constants.js";
import { memfd_create } from "../syscall/libc.js";
import { startError } from "../syscall/startError.js";

const SLOT_BYTES = 65536;
const HEADER_BYTES = 8;
const slotAt = (slot: number): number => SLOT_BYTES * (slot + 1);

/** @returns an fd, close-on-exec. @throws UserError ENOMEM, EMFILE */
export function createNote(): number {
  const fd = memfd_create("kmemfs-note", MFD_CLOEXEC);
  if (fd < 0) throw startError("the session record", "cannot be created", fd);
  return fd;
}

/** @param text at most 64 KiB */
export function writeNote(fd: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  assert(bytes.length <= SLOT_BYTES, "the session record is too long");
  const slot = 1 - (readHeader(fd)?.slot ?? 1);
  writeSync(fd, bytes, 0, bytes.length, slotAt(slot));
  // The text is written before the header; 8 bytes within a page are written atomically.
  writeSync(fd, new Uint8Array(Uint32Array.of(slot, bytes.length).buffer), 0, HEADER_BYTES, 0);
}

/** @returns null when nothing was written yet */
export function readNote(fd: number): string | null {
  const header = readHeader(fd);
  if (header === null) return null;
  const bytes = new Uint8Array(header.length);
  const length = readSync(fd, bytes, 0, bytes.length, slotAt(header.slot));
  return length === bytes.length ? new TextDecoder().decode(bytes) : null;
}

function readHeader(fd: number): { readonly slot: number; readonly length: number } | null {
  const words = new Uint32Array(HEADER_BYTES / 4);
  if (readSync(fd, new Uint8Array(words.buffer), 0, HEADER_BYTES, 0) < HEADER_BYTES) return null;
  const [slot, length] = words;
  return slot <= 1 && length > 0 && length <= SLOT_BYTES ? { slot, length } : null;
}
