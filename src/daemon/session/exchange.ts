/** The buffers that threads answer requests from, how many threads there are, and how much memory they lock. */
import { IovecList, MAX_IOVECS } from "../../base/iovec.js";
import { Exchange, REPLY_BYTES } from "../../fuse/exchange.js";
import { REQUEST_BYTES } from "../../fuse/init.js";
import { allocateBuffer } from "../../linux/syscall/buffers.js";
import { SESSION_BYTES } from "./sessionMemory.js";

const IOVEC_BYTES = MAX_IOVECS * 16;

/** Without reads and writes there is little to do; the second goes on while a flush or a long discard runs. */
export const DIRECT_WORKERS = 2;

/** Bytes of a server with `threads` serving threads. */
export function lockedBytesNeeded(threads: number): number {
  return threads * (REQUEST_BYTES + REPLY_BYTES + IOVEC_BYTES) + SESSION_BYTES;
}

/**
 * The buffers of one thread: faulted in and locked, so that a request never faults.
 * @param requestBytes of the largest request that can come
 */
export function composeExchange(requestBytes = REQUEST_BYTES) {
  const request = allocateBuffer(requestBytes);
  const reply = allocateBuffer(REPLY_BYTES);
  const iovec = allocateBuffer(IOVEC_BYTES);
  const iovecs = new IovecList(new Int32Array(iovec.bytes));
  const exchange = new Exchange({
    request: new Int32Array(request.bytes),
    requestAddress: request.address,
    reply: new Int32Array(reply.bytes),
    replyAddress: reply.address,
    iovecs,
  });
  return {
    exchange,
    iovecs,
    iovecAddress: iovec.address,
    requestAddress: request.address,
    requestBytes,
    /** False where the buffers may be swapped out. */
    isLocked: request.locked && reply.locked && iovec.locked,
  };
}
