/** Decorators of the Memory port: they see each call before it happens, and may refuse it, or cut everything off. */
import type { Memory } from "../../src/base/ports.js";
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../src/base/units.js";

export type Verb = "populate" | "fill" | "write" | "zero" | "release" | "sync";

export interface Call {
  readonly verb: Verb;
  /** The pages concerned; none for sync. */
  readonly firstPage: PageNo;
  readonly pageCount: number;
}

/** Sees a call. @returns the errno to answer instead of doing it, or 0 */
export type Watch = (call: Call) => Errno;

export class WatchedMemory implements Memory {
  readonly pageCount: number;
  readonly baseAddress: Address;
  readonly durable: boolean;
  readonly needsPersist: boolean;
  readonly grainPages: number;
  readonly canPunch: boolean;

  constructor(
    private readonly inner: Memory,
    private readonly watch: Watch,
  ) {
    this.pageCount = inner.pageCount;
    this.baseAddress = inner.baseAddress;
    this.durable = inner.durable;
    this.needsPersist = inner.needsPersist;
    this.grainPages = inner.grainPages;
    this.canPunch = inner.canPunch;
  }

  metadataWords(windowNo: number): Int32Array {
    return this.inner.metadataWords(windowNo);
  }

  populate(firstPage: PageNo, pageCount: number): Errno {
    return this.watch({ verb: "populate", firstPage, pageCount }) || this.inner.populate(firstPage, pageCount);
  }

  fill(firstPage: PageNo, pageCount: number, headBytes: number, source: Address, lengthBytes: number): Errno {
    const errno = this.watch({ verb: "fill", firstPage, pageCount });
    if (errno === 0) return this.inner.fill(firstPage, pageCount, headBytes, source, lengthBytes);
    // The content is undefined after an error: half of the pages are made, with what was to be written.
    const half = Math.ceil(pageCount / 2);
    const bytes = Math.min(lengthBytes, half * PAGE_BYTES - headBytes);
    this.inner.fill(firstPage, half, headBytes, source, bytes);
    return errno;
  }

  write(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    return this.watch(callOn("write", at, lengthBytes)) || this.inner.write(at, source, lengthBytes);
  }

  zero(at: ByteOffset, lengthBytes: number): Errno {
    return this.watch(callOn("zero", at, lengthBytes)) || this.inner.zero(at, lengthBytes);
  }

  release(firstPage: PageNo, pageCount: number): Errno {
    return this.watch({ verb: "release", firstPage, pageCount }) || this.inner.release(firstPage, pageCount);
  }

  persist(at: ByteOffset, lengthBytes: number): void {
    this.inner.persist(at, lengthBytes);
  }

  faultIn(firstPage: PageNo, pageCount: number): void {
    this.inner.faultIn(firstPage, pageCount);
  }

  sync(): Errno {
    return this.watch({ verb: "sync", firstPage: 0, pageCount: 0 }) || this.inner.sync();
  }

  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.inner.nextHeld(fromPage, endPage);
  }

  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.inner.nextUnheld(fromPage, endPage);
  }
}

function callOn(verb: Verb, at: ByteOffset, lengthBytes: number): Call {
  const firstPage = Math.floor(at / PAGE_BYTES);
  return { verb, firstPage, pageCount: Math.ceil((at + lengthBytes) / PAGE_BYTES) - firstPage };
}

/** Answers `errno` to the calls of `verb` with numbers `[from, from + times)`, counted from 1. */
export function failing(verb: Verb, errno: Errno, from = 1, times = 1): Watch {
  let seen = 0;
  return (call) => {
    if (call.verb !== verb) return 0;
    seen++;
    return seen >= from && seen < from + times ? errno : 0;
  };
}

/** Keeps all calls in `calls`. */
export function recording(calls: Call[]): Watch {
  return (call) => {
    calls.push(call);
    return 0;
  };
}

export class Cut extends Error {}

/** Throws `Cut` instead of doing call number `allowed + 1`. */
export function cutAfter(allowed: number): Watch {
  let seen = 0;
  return () => {
    if (seen++ === allowed) throw new Cut(`cut after ${allowed} calls`);
    return 0;
  };
}
