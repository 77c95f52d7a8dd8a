/**
 * Format: makes an empty pool. The state `formatting` is on the media before
 * anything else changes and `clean` only after everything else is, and each is
 * written to the copy that is not the newest: a crash at any point leaves the
 * old pool, one in state `formatting`, or the new one.
 */
import { must, UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import { type Errno, PAGE_BYTES } from "../base/units.js";
import { ENTRY_BYTES, storeHomes } from "./entry.js";
import { ENTRIES_PER_PAGE, type Geometry, indexPagesFor } from "./geometry.js";
import { LABEL_BYTES, STATE_CLEAN, STATE_FORMATTING, type Superblock } from "./superblock.js";
import { generationOver, wipeAroundSuperblock, writeSuperblock } from "./superblockStore.js";

export interface FormatRequest extends Pick<Superblock, "geometry" | "blocks" | "uuid" | "label" | "incompatible"> {
  readonly nowMs: number;
  /** Map every block to its home page at once. */
  readonly full: boolean;
}

/**
 * Checks what can be checked before anything is changed.
 * @throws UserError EINVAL for a label that is too long, ENOSPC for a whole file that does not fit
 */
export function requireFormattable(request: Pick<FormatRequest, "geometry" | "blocks" | "label" | "full">): void {
  if (request.label.length > LABEL_BYTES) {
    throw new UserError("label", `longer than ${LABEL_BYTES} bytes`, { code: "EINVAL", exitCode: 2 });
  }
  const { geometry, blocks, full } = request;
  if (!full || blocks <= geometry.dataPages) return;
  const reason = `a file of ${blocks} blocks does not fit into ${geometry.dataPages} pages`;
  throw new UserError("format --full", reason, { code: "ENOSPC", cure: "a larger pool or a smaller --size" });
}

/**
 * Formats the pool that `memory` covers and discards its old content.
 * @throws UserError when the memory cannot be allocated or written
 */
export function formatPool(memory: Memory, request: FormatRequest): void {
  const { full, nowMs, ...fields } = request;
  const { geometry } = fields;
  requireFormattable(request);
  const base = { ...fields, readonlyCompatible: 0, formattedMs: nowMs };
  mustWrite(memory.populate(0, 1), "superblock");
  const generation = generationOver(memory);
  mustWrite(writeSuperblock(memory, { ...base, generation, state: STATE_FORMATTING }), "superblock");
  wipeAroundSuperblock(memory);
  mustWrite(memory.release(1, geometry.indexPages), "index");
  mustWrite(memory.release(geometry.firstDataPage, geometry.dataPages), "data");
  if (full) mapWhole(memory, geometry, request.blocks);
  mustWrite(memory.sync(), "pool");
  mustWrite(writeSuperblock(memory, { ...base, generation: generation + 1, state: STATE_CLEAN }), "superblock");
}

/** Allocates before it stores entries: an entry never names a page without memory. */
function mapWhole(memory: Memory, geometry: Geometry, blocks: number): void {
  mustWrite(memory.populate(geometry.firstDataPage, blocks), "data");
  mustWrite(memory.populate(1, indexPagesFor(blocks)), "index");
  for (let block = 0; block < blocks; block += ENTRIES_PER_PAGE) {
    storeHomes(memory, geometry, block, Math.min(blocks, block + ENTRIES_PER_PAGE));
  }
  memory.persist(PAGE_BYTES, blocks * ENTRY_BYTES);
}

/** @throws UserError for a positive errno */
function mustWrite(errno: Errno, what: string): void {
  must(errno, `the ${what} cannot be written`, "format");
}
