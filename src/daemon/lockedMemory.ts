/** How much memory a server locks. */
import { MAX_IOVECS } from "../base/iovec.js";
import { REPLY_BYTES } from "../fuse/exchange.js";
import { REQUEST_BYTES } from "../fuse/init.js";
import { SESSION_BYTES } from "./sessionMemory.js";

/** Bytes of a server with `threads` serving threads. */
export function lockedBytesNeeded(threads: number): number {
  return threads * (REQUEST_BYTES + REPLY_BYTES + MAX_IOVECS * 16) + SESSION_BYTES;
}
