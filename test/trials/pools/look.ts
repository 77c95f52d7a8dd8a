/**
 * What every command does before it uses a pool: the length of a pool in direct
 * use (as `withPoolLength`), the superblock against the files (as
 * `readSuperblock`), and the check. None of it may change a byte.
 */
import { MediaError } from "../../../src/base/errors.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { decode, hasMagic, layoutProblem, type Superblock } from "../../../src/pool/superblock.js";
import { type CheckOutcome, checkMedia } from "./checkMedia.js";
import type { Media } from "./media.js";
import { poolLength } from "./poolLength.js";
import { demand } from "./violation.js";

export interface Look {
  /** Null when it is refused. */
  readonly superblock: Superblock | null;
  /** Null when there is not even a page to check. */
  readonly check: CheckOutcome | null;
}

export function look(media: Media): Look {
  const page = media.readPage0();
  const pageCount = poolLength(media, page);
  const superblock = readSuperblock(media, page, pageCount);
  const check = page.length < PAGE_BYTES ? null : checkMedia(media, page);
  demand(media.isAsSaved(), () => "looking at a pool changed it");
  if (check !== null) requireAgreement(superblock, check);
  return { superblock, check };
}

export function readSuperblock(media: Media, page: Uint8Array, pageCount: number): Superblock | null {
  if (!hasMagic(page)) return null;
  try {
    const superblock = decode(page, pageCount);
    const problem = layoutProblem(superblock, { split: media.split, metadataPages: media.meta.pages });
    return problem === null ? superblock : null;
  } catch (error) {
    if (error instanceof MediaError) return null;
    throw error;
  }
}

/** A copy of another version keeps check from all (`unknown`), and mount only when it is the newest. What mount refuses, check reports; what check finds in the index, mount refuses (see `serve`). */
function requireAgreement(superblock: Superblock | null, check: CheckOutcome): void {
  const refused = superblock === null || check.state === "formatting";
  demand(!refused || check.findings > 0, () => "check finds nothing wrong with a pool whose superblock is refused");
  demand(
    superblock === null || check.state === "unknown" || check.blocks === superblock.blocks,
    () => `check sees ${check.blocks} blocks, mount ${superblock?.blocks}`,
  );
}
