/** Pages of a pool, as `withPoolLength` finds them: by its files, or what one in direct use says itself. */
import { MAX_PAGES } from "../../../src/pool/geometry.js";
import { directPageCount } from "../../../src/pool/superblock.js";
import type { Media } from "./media.js";

export function poolLength(media: Media, page: Uint8Array): number {
  if (!media.split) return media.pageCount;
  const pageCount = directPageCount(page);
  return pageCount === null || pageCount <= media.meta.pages || pageCount > MAX_PAGES ? media.pageCount : pageCount;
}
