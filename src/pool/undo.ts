/**
 * Puts back the metadata pages that a repair changed: the index, media, the
 * pages of copies go back, the superblock last. A pool that was used since has a
 * higher generation and is left alone. Cut off it can be run again.
 */
import { UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import { PAGE_BYTES, type PageNo } from "../base/units.js";
import { pageWords } from "./entry.js";
import { ENTRIES_PER_PAGE } from "./geometry.js";
import { must } from "./repair.js";
import type { MediaLayout } from "./superblock.js";
import { readCopies } from "./superblockCopies.js";
import { superblockPage } from "./superblockStore.js";
import type { UndoFile } from "./undoFile.js";

export interface UndoSummary {
  readonly entries: number;
  readonly releasedPages: number;
}

/**
 * @param memory the pool, mapped with the file's metadata pages; nobody else uses it
 * @throws UserError before anything was changed, or when the medium fails
 */
export function undoRepair(memory: Memory, media: MediaLayout, undo: UndoFile): UndoSummary {
  requireUnused(memory, media, undo);
  let entries = 0;
  const copies: PageNo[] = [];
  for (const [page, bytes] of undo.images()) {
    if (page === 0) continue;
    must(memory.populate(page, 1), "the index cannot be written");
    const old = new Int32Array(bytes.slice().buffer);
    const words = pageWords(memory, page);
    for (let at = 0; at < 2 * ENTRIES_PER_PAGE; at += 2) {
      if (words[at] === old[at] && words[at + 1] === old[at + 1]) continue;
      entries++;
      // What the repair made of an entry is a hole, or the page of a private copy.
      if (words[at] !== 0) copies.push(words[at] >>> 0);
    }
    restore(memory, page, bytes);
  }
  must(memory.sync(), "the index cannot be flushed");
  for (const page of copies) must(memory.release(page, 1), "the copied pages cannot be freed");
  must(memory.sync(), "it cannot be flushed");
  for (const [page, bytes] of undo.images()) if (page === 0) restore(memory, page, bytes);
  must(memory.sync(), "the superblock cannot be flushed");
  return { entries, releasedPages: copies.length };
}

function restore(memory: Memory, page: PageNo, bytes: Uint8Array): void {
  pageWords(memory, page).set(new Int32Array(bytes.slice().buffer));
  memory.persist(page * PAGE_BYTES, PAGE_BYTES);
}

/** @throws UserError when the superblock is neither the repair's nor one before it */
function requireUnused(memory: Memory, media: MediaLayout, { generation, uuid, images }: UndoFile): void {
  const found = superblockPage(memory);
  const { newest, isForeign } = readCopies(found, memory.pageCount, media);
  if (newest !== null && newest.generation <= generation && newest.uuid.every((byte, i) => byte === uuid[i])) return;
  // A superblock that was to be made anew, and is not yet.
  const isUntouched = () =>
    [...images()].every(([page, bytes]) => page !== 0 || bytes.every((byte, i) => byte === found[i]));
  if (newest === null && !isForeign && isUntouched()) return;
  throw new UserError("pool", "it was changed since the repair, or is another one", { code: "EINVAL" });
}
