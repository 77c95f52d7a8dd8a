/** Opens a pool as a mount does, reads all, changes some, closes it, and compares with a naive model. */
import { MediaError, UserError } from "../../../src/base/errors.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { closePool } from "../../../src/pool/probe.js";
import { STATE_CLEAN, type Superblock } from "../../../src/pool/superblock.js";
import type { InputBytes } from "./inputBytes.js";
import type { Look } from "./look.js";
import { look } from "./look.js";
import type { Media } from "./media.js";
import { BUFFER_PAGES, writeBuffer, writeBufferAddress } from "./mediaMemory.js";
import { type Contents, OpenMedia } from "./openMedia.js";
import { demand } from "./violation.js";

const MOST_REQUESTS = 6;
const writeWords = new Int32Array(writeBuffer.buffer);

/** Read-only first: a damaged pool shows what it has. @returns what it shows, or null when it is refused */
export function showReadOnly(media: Media, superblock: Superblock, isSound: boolean, isSaved = true): Contents | null {
  const open = openOrRefuse(media, superblock, true);
  const contents = open?.readAll(isSound) ?? null;
  demand(!isSaved || media.isAsSaved(), () => "reading a pool opened read-only changed it");
  return contents;
}

/** @returns null when it was refused, with a reason */
export function openOrRefuse(media: Media, superblock: Superblock, readOnly: boolean): OpenMedia | null {
  try {
    return new OpenMedia(media, superblock, readOnly);
  } catch (error) {
    if (error instanceof MediaError || error instanceof UserError) return null;
    throw error;
  }
}

/** @param shown what the pool showed read-only */
export function serve(input: InputBytes, media: Media, looked: Look, superblock: Superblock, shown: Contents): void {
  const open = openOrRefuse(media, superblock, false);
  const isSound = looked.check?.indexFindings === 0;
  demand((open !== null) === isSound, () => {
    return `mount ${open === null ? "refuses" : "takes"} a pool in which check finds: ${looked.check?.firstMessage}`;
  });
  if (open === null) {
    demand(media.isAsSaved(), () => "a mount that is refused changed the pool");
    return;
  }
  const contents = open.readAll(true);
  requireSame(shown, contents, "opened for writing it shows other bytes than read-only");
  demand(looked.check?.usedPages === contents.size, () => "check counts other pages than are mapped");
  for (let i = 0; i < MOST_REQUESTS; i++) change(input, open, contents);
  requireSame(contents, open.readAll(true), "after some requests");
  closePool(open.pool);
  requireClean(media, contents);
}

/** After a pool was closed: it is clean, sound, and holds this. */
export function requireClean(media: Media, contents: Contents): void {
  media.save();
  const after = look(media);
  const first = after.check?.firstMessage ?? "nothing to check";
  demand(after.superblock?.state === STATE_CLEAN, () => `a pool that was closed is not clean: ${first}`);
  demand(after.check?.indexFindings === 0, () => `check finds after a close: ${first}`);
  const shown = showReadOnly(media, after.superblock as Superblock, true);
  demand(shown !== null, () => "a pool that was closed cannot be opened");
  requireSame(contents, shown as Contents, "after a close");
}

export function requireSame(expected: Contents, found: Contents, when: string): void {
  for (const [block, stamp] of expected) {
    const other = found.get(block);
    demand(other === stamp, () => `${when}: block ${block} holds ${other} instead of ${stamp}`);
  }
  demand(found.size === expected.size, () => `${when}: ${found.size} blocks are mapped instead of ${expected.size}`);
}

function change(input: InputBytes, open: OpenMedia, contents: Contents): void {
  const code = input.u8();
  const { file } = open;
  const end = file.sizeBytes / PAGE_BYTES;
  const at = input.u8();
  const block = Math.min(at < 192 ? at % 48 : at * 11, Math.max(0, end - 1));
  const count = 1 + ((code >> 3) % BUFFER_PAGES);
  file.enter();
  const verb = code & 7;
  if (verb < 3) write(open, block, count, input.u8() + 1, contents);
  else if (verb < 5) discard(open, block, count * (1 + (code >> 5)), contents);
  else if (verb === 5 && open.memory.canPunch) file.reserve(block * PAGE_BYTES, count * PAGE_BYTES);
  else if (verb === 6) resize(open, block, contents);
  else file.flush();
  file.leave();
  // What others left in free pages of a device is not looked for in a clean pool: it is shown there.
  if (verb === 5) for (const [b, stamp] of open.readAll(true)) if (!contents.has(b) && stamp === 0) contents.set(b, 0);
}

function write(open: OpenMedia, block: number, count: number, value: number, contents: Contents): void {
  const end = open.file.sizeBytes / PAGE_BYTES;
  for (let i = 0; i < count; i++) writeWords[(i * PAGE_BYTES) / 4] = value + i;
  const done = open.file.write(block * PAGE_BYTES, count * PAGE_BYTES, writeBufferAddress);
  if (done >= 0) {
    demand(done === Math.min(count, end - block) * PAGE_BYTES, () => `a write of ${count} blocks wrote ${done} bytes`);
    for (let i = 0; i < done / PAGE_BYTES; i++) contents.set(block + i, value + i);
    return;
  }
  // Each block is old or new.
  const found = open.readAll(true);
  for (let i = 0; i < count; i++) {
    const now = found.get(block + i);
    const isOld = now === contents.get(block + i);
    demand(isOld || now === value + i, () => `block ${block + i} is neither old nor new after a failed write`);
    if (!isOld) contents.set(block + i, value + i);
  }
}

function discard(open: OpenMedia, block: number, count: number, contents: Contents): void {
  const result = open.file.discard(block * PAGE_BYTES, count * PAGE_BYTES);
  demand(result === 0, () => `a discard answers ${result}`);
  for (let i = 0; i < count; i++) contents.delete(block + i);
}

function resize(open: OpenMedia, blocks: number, contents: Contents): void {
  const result = open.file.resize(blocks * PAGE_BYTES);
  demand(result === 0, () => `a resize answers ${result}`);
  for (const block of contents.keys()) if (block >= blocks) contents.delete(block);
}
