/** The number of serving threads and the memory they lock. */
import { MAX_IOVECS } from "../../base/iovec.js";
import { REPLY_BYTES } from "../../fuse/exchange.js";
import { REQUEST_BYTES } from "../../fuse/init.js";
import { SESSION_BYTES } from "./sessionMemory.js";

/** Without reads and writes there is little to do; the second thread serves during a flush or a long discard. */
export const DIRECT_WORKERS = 2;

/** Bytes of a server with `threads` serving threads. */
export function lockedBytesNeeded(threads: number): number {
  return threads * (REQUEST_BYTES + REPLY_BYTES + MAX_IOVECS * 16) + SESSION_BYTES;
}
