/** Check, as `kmemfs check` calls it, on the media of a trial. */
import { PAGE_BYTES } from "../../../src/base/units.js";
import { type CheckInput, checkPool } from "../../../src/pool/check.js";
import type { FindingKind } from "../../../src/pool/findings.js";
import { STATE_DIRECT } from "../../../src/pool/superblock.js";
import { readCopies } from "../../../src/pool/superblockCopies.js";
import type { Media } from "./media.js";
import { MediaMemory } from "./mediaMemory.js";
import { poolLength } from "./poolLength.js";
import { demand } from "./violation.js";

export interface CheckOutcome {
  readonly state: string;
  readonly findings: number;
  /** Of the index alone: what keeps a mount from writing. */
  readonly indexFindings: number;
  readonly firstMessage: string;
  readonly blocks: number;
  readonly usedPages: number;
}

const NOT_OF_INDEX: readonly FindingKind[] = ["superblock", "superblock-copy", "data-size"];

/** Also what a superblock is made anew from. */
export function checkInput(media: Media, page: Uint8Array, pageCount: number): CheckInput {
  return {
    page,
    pageCount,
    media: { split: media.split, metadataPages: media.meta.pages },
    ...(media.split ? { dataBytes: media.data.pages * PAGE_BYTES } : {}),
    map: (metadataPages) => ({ memory: new MediaMemory(media, metadataPages, pageCount, true), close: () => {} }),
  };
}

/** As in `withPool`: a size that only a refused superblock claims counts for nothing. */
export function checkedLength(media: Media, page: Uint8Array): number {
  const claimed = poolLength(media, page);
  const layout = { split: media.split, metadataPages: media.meta.pages };
  return readCopies(page, claimed, layout).newest?.state === STATE_DIRECT ? claimed : media.pageCount;
}

export function checkMedia(media: Media, page: Uint8Array): CheckOutcome {
  const pageCount = checkedLength(media, page);
  let findings = 0;
  let indexFindings = 0;
  let firstMessage = "";
  const summary = checkPool(checkInput(media, page, pageCount), {
    finding: ({ kind, message }) => {
      if (findings++ === 0) firstMessage = message;
      if (!NOT_OF_INDEX.includes(kind)) indexFindings++;
    },
  });
  demand(summary.findingCount === findings, () => "check counts other findings than it tells");
  const { state, blocks, usedPages } = summary;
  return { state, findings, indexFindings, firstMessage, blocks, usedPages };
}
