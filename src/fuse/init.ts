/** FUSE_INIT: what the kernel offers and what we accept. Answered by the holder, once per mount. */
import { EPROTO } from "../base/errno.js";
import * as abi from "./abi.js";
import type { Exchange } from "./exchange.js";

/** The most bytes of a WRITE or READ: 256 pages, the kernel's default `fuse_max_pages_limit`. */
export const MAX_TRANSFER_BYTES = 1024 * 1024;
/** A request has a header, a fixed part, and the data of a WRITE. */
export const REQUEST_BYTES = MAX_TRANSFER_BYTES + 4096;

const PAGES_MOST = MAX_TRANSFER_BYTES / 4096;
/** Background requests, such as those of loop with direct I/O, that the kernel queues before callers wait. */
const BACKGROUND_MOST = 256;

const wanted =
  abi.FUSE_ASYNC_READ |
  abi.FUSE_ATOMIC_O_TRUNC |
  abi.FUSE_BIG_WRITES |
  abi.FUSE_DO_READDIRPLUS |
  abi.FUSE_READDIRPLUS_AUTO |
  abi.FUSE_ASYNC_DIO |
  abi.FUSE_PARALLEL_DIROPS |
  abi.FUSE_MAX_PAGES |
  abi.FUSE_INIT_EXT;
const wanted2 = abi.FUSE_DIRECT_IO_ALLOW_MMAP | abi.FUSE_HAS_RESEND;

export interface InitResult {
  /** The kernel's protocol, 7.minor. */
  readonly minor: number;
  /** The flags that both sides support. */
  readonly flags: number;
  readonly flags2: number;
}

/** Passthrough to a file on a file system that is not itself stacked on another (fuse_backing_open). */
const STACK_DEPTH = 1;

/**
 * Answers the INIT request in `exchange`.
 * @param passthrough accept it if the kernel offers it
 * @returns what was agreed; `again` when the kernel will ask again with an older
 * major; or null when the kernel is too old, which the reply says
 */
export function answerInit(exchange: Exchange, passthrough: boolean): InitResult | "again" | null {
  const { word } = abi.fuse_init_in;
  const out = abi.fuse_init_out;
  const major = exchange.bodyBytes >= 8 ? exchange.u32(word.major) : 0;
  const minor = exchange.bodyBytes >= 8 ? exchange.u32(word.minor) : 0;
  exchange.clearBody(out.sizeBytes);
  exchange.putU32(out.word.major, abi.FUSE_KERNEL_VERSION);
  exchange.putU32(out.word.minor, abi.FUSE_KERNEL_MINOR_VERSION);
  if (major > abi.FUSE_KERNEL_VERSION) {
    exchange.finish(out.sizeBytes);
    return "again";
  }
  if (major < abi.FUSE_KERNEL_VERSION || minor < abi.OLDEST_MINOR || exchange.bodyBytes < 16) {
    exchange.fail(EPROTO);
    return null;
  }
  const flags = exchange.u32(word.flags) & wanted;
  const hasMore = exchange.bodyBytes >= abi.fuse_init_in.sizeBytes && (flags & abi.FUSE_INIT_EXT) !== 0;
  const taken2 = passthrough ? wanted2 | abi.FUSE_PASSTHROUGH : wanted2;
  const flags2 = hasMore ? exchange.u32(word.flags2) & taken2 : 0;
  exchange.putU32(out.word.max_readahead, exchange.u32(word.max_readahead));
  exchange.putU32(out.word.flags, flags);
  // Two 16-bit fields share a word: max_background low, congestion_threshold high.
  exchange.putU32(out.word.max_background, BACKGROUND_MOST | (Math.floor((BACKGROUND_MOST * 3) / 4) << 16));
  exchange.putU32(out.word.max_write, MAX_TRANSFER_BYTES);
  exchange.putU32(out.word.time_gran, 1);
  exchange.putU32(out.word.max_pages, PAGES_MOST);
  exchange.putU32(out.word.flags2, flags2);
  if ((flags2 & abi.FUSE_PASSTHROUGH) !== 0) exchange.putU32(out.word.max_stack_depth, STACK_DEPTH);
  exchange.finish(out.sizeBytes);
  return { minor: Math.min(minor, abi.FUSE_KERNEL_MINOR_VERSION), flags, flags2 };
}
