/**
 * Maps pool pages to the backing's files: pages `[0, metadataPages)` are in the
 * metadata file, the rest in the data file from offset 0. In a single pool both are
 * one file, and page n is at n × 4096.
 */
import { ENXIO } from "../../base/errno.js";
import { SEEK_DATA, SEEK_HOLE } from "../../base/fileFlags.js";
import { bytesToPagesCeil, bytesToPagesFloor, PAGE_BYTES, type PageNo } from "../../base/units.js";
import { lseek } from "../syscall/libc.js";
import type { MemoryMapping } from "./mapping.js";

export class PageFile {
  private readonly metaFd: number;
  private readonly dataFd: number;
  /** Bytes of the pool before the data file begins; 0 for a single pool. */
  private readonly borderBytes: number;
  private readonly borderPage: PageNo;

  constructor(mapping: MemoryMapping) {
    const { backing } = mapping;
    this.metaFd = backing.metaFd;
    this.dataFd = backing.dataFd;
    this.borderPage = backing.layout === "split" ? mapping.metadataPages : 0;
    this.borderBytes = this.borderPage * PAGE_BYTES;
  }

  /** The file that holds byte `at` of the pool. */
  fdOf(at: number): number {
    return at < this.borderBytes ? this.metaFd : this.dataFd;
  }

  /** Offset of byte `at` of the pool in that file. */
  offsetOf(at: number): number {
    return at < this.borderBytes ? at : at - this.borderBytes;
  }

  /** First page in `[fromPage, endPage)` with data, or `endPage`. An errno counts as data: nothing is skipped. */
  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.seek(fromPage, endPage, SEEK_DATA);
  }

  /** First page in `[fromPage, endPage)` that is wholly a hole, or `endPage`. */
  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo {
    for (let page = fromPage; ; ) {
      const hole = this.seek(page, endPage, SEEK_HOLE);
      // With blocks smaller than a page, the rest of it may hold data: then it is not a hole.
      if (hole >= endPage || this.nextHeld(hole, hole + 1) > hole) return hole;
      page = hole + 1;
    }
  }

  private seek(fromPage: PageNo, endPage: PageNo, whence: number): PageNo {
    if (fromPage >= endPage) return endPage;
    if (fromPage >= this.borderPage || endPage <= this.borderPage) return this.seekOne(fromPage, endPage, whence);
    const found = this.seekOne(fromPage, this.borderPage, whence);
    return found < this.borderPage ? found : this.seekOne(this.borderPage, endPage, whence);
  }

  /** `[fromPage, endPage)` lies in one file. A file system block may be smaller than a page. */
  private seekOne(fromPage: PageNo, endPage: PageNo, whence: number): PageNo {
    const at = fromPage * PAGE_BYTES;
    const firstPage = (at - this.offsetOf(at)) / PAGE_BYTES;
    const found = lseek(this.fdOf(at), this.offsetOf(at), whence);
    // ENXIO: nothing more until the end (lseek(2)); for both searches that is the end of the file.
    if (found === -ENXIO) return endPage;
    if (found < 0) return whence === SEEK_DATA ? fromPage : endPage;
    const page = firstPage + (whence === SEEK_DATA ? bytesToPagesFloor(found) : bytesToPagesCeil(found));
    return Math.min(Math.max(page, fromPage), endPage);
  }
}
