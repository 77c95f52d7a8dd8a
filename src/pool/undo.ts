/**
 * Restores what a repair changed, byte for byte: entries, sync, the pages of
 * copies are released, the superblock last. Before anything changes, every place
 * must hold what the repair found or what it wrote, so that a pool used since then
 * is left alone. After a crash it can be run again.
 */
import { must, UserError } from "../base/errors.js";
import { type Memory, WINDOW_BYTES } from "../base/ports.js";
import { type ByteOffset, PAGE_BYTES } from "../base/units.js";
import { readRecords, type UndoHeader, type UndoSource } from "./undoFile.js";

const ENTRY_BYTES = 8;

export interface UndoSummary {
  readonly entries: number;
  readonly releasedPages: number;
}

/**
 * @param memory the pool, mapped with the header's metadata pages; the caller is its only user
 * @throws UserError before anything was changed, or when the medium fails
 */
export function undoRepair(memory: Memory, header: UndoHeader, source: UndoSource): UndoSummary {
  refuseIf(readRecords(source, header, { saved: () => {}, made: () => {} }));
  requireUnused(memory, header, source);
  let entries = 0;
  let releasedPages = 0;
  const restore = (at: ByteOffset, bytes: Uint8Array): void => {
    const words = new Int32Array(bytes.slice().buffer);
    memory.metadataWords(Math.floor(at / WINDOW_BYTES)).set(words, (at % WINDOW_BYTES) / 4);
    memory.persist(at, bytes.length);
  };
  readRecords(source, header, {
    saved: (at, oldBytes) => {
      if (at < PAGE_BYTES) return;
      entries++;
      restore(at, oldBytes);
    },
    made: () => {},
  });
  must(memory.sync(), "the index cannot be flushed");
  readRecords(source, header, {
    saved: () => {},
    made: (page, count) => {
      releasedPages += count;
      must(memory.release(page, count), "the copied pages cannot be freed");
    },
  });
  must(memory.sync(), "it cannot be flushed");
  readRecords(source, header, {
    saved: (at, oldBytes) => {
      if (at < PAGE_BYTES) restore(at, oldBytes);
    },
    made: () => {},
  });
  must(memory.sync(), "the superblock cannot be flushed");
  return { entries, releasedPages };
}

/** @throws UserError when a place holds neither its old nor its new content */
function requireUnused(memory: Memory, header: UndoHeader, source: UndoSource): void {
  let changedAt = -1;
  readRecords(source, header, {
    saved: (at, oldBytes, newBytes) => {
      if (changedAt >= 0) return;
      const page = Math.floor(at / PAGE_BYTES);
      // Touching a page of the index that is a hole would allocate it.
      const isHeld = memory.nextHeld(page, page + 1) === page;
      const found = isHeld ? bytesAt(memory, at, oldBytes.length) : new Uint8Array(oldBytes.length);
      if (!isMixOf(found, oldBytes, newBytes)) changedAt = at;
      // Repair writes only to pages of the index that held memory, and these are never punched.
      if (!isHeld && at >= PAGE_BYTES) changedAt = at;
    },
    made: () => {},
  });
  if (changedAt < 0) return;
  const reason = `the pool was changed since the repair (byte ${changedAt}), or is a different pool`;
  throw new UserError("pool", reason, { code: "EINVAL" });
}

/** An entry is old or new; a copy of the superblock may be torn at any word. */
function isMixOf(found: Uint8Array, oldBytes: Uint8Array, newBytes: Uint8Array): boolean {
  const unit = found.length === ENTRY_BYTES ? 4 : 1;
  for (let at = 0; at < found.length; at += unit) {
    const isOld = found.subarray(at, at + unit).every((byte, i) => byte === oldBytes[at + i]);
    const isNew = found.subarray(at, at + unit).every((byte, i) => byte === newBytes[at + i]);
    if (!isOld && !isNew) return false;
  }
  return true;
}

function bytesAt(memory: Memory, at: ByteOffset, lengthBytes: number): Uint8Array {
  const words = memory.metadataWords(Math.floor(at / WINDOW_BYTES));
  const first = (at % WINDOW_BYTES) / 4;
  return new Uint8Array(words.slice(first, first + lengthBytes / 4).buffer);
}

/** @throws UserError */
function refuseIf(reason: string | null): void {
  if (reason !== null) throw new UserError("undo file", reason, { code: "EINVAL" });
}
