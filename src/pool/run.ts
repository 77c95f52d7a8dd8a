import type { PageNo } from "../base/units.js";

/** Adjacent pages, or holes. Reused and filled in by the callee, so that a request allocates no object. */
export class Run {
  /** The first; 0 for holes. */
  page: PageNo = 0;
  count = 0;
}
