import type { PageNo } from "../base/units.js";

/** Adjacent pages, or as many holes: filled in by whoever is asked, so that a request makes no object. */
export class Run {
  /** The first; 0 for holes. */
  page: PageNo = 0;
  count = 0;
}
