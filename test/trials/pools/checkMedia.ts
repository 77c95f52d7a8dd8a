/** Check, as `kmemfs check` calls it, on the media of a trial. */
import { checkPool } from "../../../src/pool/check.js";
import type { Media } from "./media.js";
import { MediaMemory } from "./mediaMemory.js";
import { demand } from "./violation.js";

export interface CheckOutcome {
  readonly state: string;
  readonly findings: number;
  /** Of the index alone. */
  readonly indexFindings: number;
  readonly firstMessage: string;
  readonly blocks: number;
  readonly usedPages: number;
}

export function checkMedia(media: Media, page: Uint8Array, pageCount: number): CheckOutcome {
  const layout = { split: media.split, metadataPages: media.meta.pages };
  let open = 0;
  const report = checkPool(page, pageCount, layout, (metadataPages) => {
    open++;
    return { memory: new MediaMemory(media, metadataPages, pageCount, true), close: () => open-- };
  });
  demand(open === 0, () => "check leaves its mapping behind");
  let indexFindings = 0;
  for (const finding of report.findings) if (finding.kind !== "superblock") indexFindings++;
  return {
    state: report.state,
    findings: report.findings.length,
    indexFindings,
    firstMessage: report.findings[0]?.message ?? "",
    blocks: report.blocks,
    usedPages: report.usedPages,
  };
}
