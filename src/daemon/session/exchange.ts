/** The request and reply buffers of a thread. */
import { IovecList, MAX_IOVECS } from "../../base/iovec.js";
import { Exchange, REPLY_BYTES } from "../../fuse/exchange.js";
import { REQUEST_BYTES } from "../../fuse/init.js";
import { allocateBuffer } from "../../linux/syscall/buffers.js";

/** The buffers of one thread: faulted in and locked, so that a request never faults. */
export function composeExchange() {
  const request = allocateBuffer(REQUEST_BYTES);
  const reply = allocateBuffer(REPLY_BYTES);
  const iovec = allocateBuffer(MAX_IOVECS * 16);
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
    requestBytes: REQUEST_BYTES,
    /** False where the buffers may be swapped out. */
    isLocked: request.locked && reply.locked && iovec.locked,
  };
}
