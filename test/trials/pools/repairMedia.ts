/**
 * Repair of whatever pool there is, and then: the check is clean, each block is
 * what it was, lost or a copy of what it was; undo puts the metadata back byte
 * for byte.
 */
import { crc32c } from "../../../src/base/bytes.js";
import { UserError } from "../../../src/base/errors.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { rebuildSuperblock } from "../../../src/pool/rebuildSuperblock.js";
import { repairPool, type UndoLog } from "../../../src/pool/repair.js";
import type { Superblock } from "../../../src/pool/superblock.js";
import { readCopies } from "../../../src/pool/superblockCopies.js";
import { undoRepair } from "../../../src/pool/undo.js";
import {
  decodeHeader,
  encodeEnd,
  encodeHeader,
  encodeMade,
  encodeSaved,
  HEADER_BYTES,
  type UndoHeader,
} from "../../../src/pool/undoFile.js";
import { checkedLength, checkInput, checkMedia } from "./checkMedia.js";
import { readSuperblock } from "./look.js";
import type { Media } from "./media.js";
import { MediaMemory } from "./mediaMemory.js";
import type { Contents } from "./openMedia.js";
import { poolLength } from "./poolLength.js";
import { showReadOnly } from "./serve.js";
import { demand, Violation } from "./violation.js";

const uuid = new Uint8Array(16).fill(9);

/** The side file, in memory. */
class UndoBytes implements UndoLog {
  private bytes: Uint8Array = new Uint8Array(0);

  constructor(readonly header: UndoHeader) {
    this.append(encodeHeader(header));
  }

  save(at: number, oldBytes: Uint8Array, newBytes: Uint8Array): void {
    this.append(encodeSaved(at, oldBytes, newBytes));
  }

  made(page: number, count: number): void {
    this.append(encodeMade(page, count));
  }

  seal(): void {
    this.append(encodeEnd(crc32c(this.bytes)));
  }

  read(at: number, lengthBytes: number): Uint8Array {
    return this.bytes.subarray(at, at + lengthBytes);
  }

  private append(more: Uint8Array): void {
    const longer = new Uint8Array(this.bytes.length + more.length);
    longer.set(this.bytes);
    longer.set(more, this.bytes.length);
    this.bytes = longer;
  }
}

/**
 * @param mayRebuild a superblock without a valid copy is made anew
 * @param shown what a mount showed read-only, null when it refused
 */
export function repairMedia(media: Media, mayRebuild: boolean, shown: Contents | null): void {
  const page = media.readPage0();
  if (page.length < PAGE_BYTES) return;
  const pageCount = checkedLength(media, page);
  const superblock = usable(media, page, pageCount, mayRebuild);
  if (superblock === null) return;
  const { firstDataPage } = superblock.geometry;
  const memory = new MediaMemory(media, firstDataPage, pageCount, false);
  const undo = new UndoBytes({ pageCount, metadataPages: firstDataPage, uuid: superblock.uuid });
  const lost = new Set<number>();
  let isChanged: boolean;
  try {
    const summary = repairPool(memory, superblock, undo, { lost: (block) => lost.add(block), suspect: () => {} });
    isChanged = summary.writtenCopies > 0 || summary.lostBlocks + summary.suspectBlocks + summary.clearedEntries > 0;
  } catch (error) {
    if (error instanceof UserError) return;
    throw error;
  }
  if (!isChanged) demand(media.isAsSaved(), () => "a repair that tells of no change changed something");
  requireMended(media, lost, shown);
  if (isChanged) undoIt(media, memory, undo);
}

/** The copy that counts, or one made anew; null when the repair is refused. */
function usable(media: Media, page: Uint8Array, pageCount: number, mayRebuild: boolean): Superblock | null {
  const input = checkInput(media, page, pageCount);
  const { newest, isForeign } = readCopies(page, pageCount, input.media);
  if (isForeign || newest !== null || !mayRebuild) return isForeign ? null : newest;
  try {
    return rebuildSuperblock(input, { uuid, nowMs: 1_700_000_000_000 });
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  } finally {
    demand(media.isAsSaved(), () => "to look for a superblock changed the pool");
  }
}

function requireMended(media: Media, lost: ReadonlySet<number>, shown: Contents | null): void {
  const page = media.readPage0();
  const pageCount = poolLength(media, page);
  const check = checkMedia(media, page);
  // What was cut off `data` nothing brings back; the next mount makes it a hole.
  const isShort = check.state === "direct" && check.findings === 1 && check.firstMessage.startsWith("data is");
  demand(check.findings === 0 || isShort, () => `check finds after a repair: ${check.firstMessage}`);
  const superblock = readSuperblock(media, page, pageCount);
  if (superblock === null) throw new Violation("a mount refuses the superblock after a repair");
  if (check.state === "direct") return;
  const saved = media.isAsSaved();
  const after = readAfter(media, superblock);
  if (shown === null) return;
  for (const [block, stamp] of after) {
    demand(shown.get(block) === stamp, () => `block ${block} holds ${stamp} after a repair, not ${shown.get(block)}`);
  }
  for (const block of shown.keys()) {
    demand(after.has(block) || (lost.has(block) && !saved), () => `block ${block} is lost and not told`);
  }
}

/** As a mount shows it; nothing of it is unreadable or shared. */
function readAfter(media: Media, superblock: Superblock): Contents {
  const contents = showReadOnly(media, superblock, true, false);
  if (contents === null) throw new Violation("a mount refuses the pool after a repair");
  return contents;
}

function undoIt(media: Media, memory: MediaMemory, undo: UndoBytes): void {
  const header = decodeHeader(undo.read(0, HEADER_BYTES));
  if (typeof header === "string") throw new Violation(`the undo file cannot be read: ${header}`);
  undoRepair(memory, header, undo);
  demand(media.meta.isAsSavedTo(header.metadataPages), () => "undo does not put the metadata back byte for byte");
}
