/**
 * The loop of one serving thread: read a request, answer it, again. Bulk data
 * never leaves native memory, and nothing here waits for an event loop.
 */
import { AssertionError } from "../../base/assert.js";
import { EAGAIN, EFAULT, EINTR, EIO, ENODEV, ENOENT, errnoName } from "../../base/errno.js";
import { dispatch } from "../../fuse/dispatch.js";
import type { ThreadStack } from "./compose.js";

/**
 * Serves until the session ends (unmounted or aborted).
 * @throws AssertionError for a broken invariant, or when the device fails otherwise
 */
export function serve(stack: ThreadStack): void {
  while (serveOne(stack));
}

/**
 * Waits for a request and answers it.
 * @returns false when the session has ended
 * @throws as `serve`
 */
export function serveOne(stack: ThreadStack): boolean {
  const { fileSystem, channel, requestAddress, requestBytes, faults, beat } = stack;
  if (beat.isDraining) park();
  const length = channel.read(requestAddress, requestBytes);
  if (length < 0) {
    if (length === -ENODEV) return false;
    if (isRetried(-length)) return true;
    throw new AssertionError(`reading /dev/fuse failed (${errnoName(-length)})`);
  }
  beat.begin();
  const faultsSeen = fileSystem.enter();
  if (dispatch(fileSystem, length)) {
    // Lost under this request, or under another's at the same time: what it did cannot be trusted.
    if (faults !== null && faults.count !== faultsSeen) fileSystem.failLost(faults);
    reply(stack);
  }
  fileSystem.leave();
  beat.end();
  return true;
}

/** The next server answers all further requests; this process is killed once its threads are idle. */
function park(): never {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (;;) Atomics.wait(nothing, 0, 0);
}

/**
 * EINTR: a signal. EAGAIN: another thread was faster. ENOENT: the request was
 * interrupted between being queued and being read (fuse_dev_do_read).
 */
function isRetried(errno: number): boolean {
  return errno === EINTR || errno === EAGAIN || errno === ENOENT;
}

function reply(stack: ThreadStack): void {
  const { channel, iovecAddress, iovecs, fileSystem } = stack;
  const sent = channel.writev(iovecAddress, iovecs.count);
  if (sent >= 0 || isGone(-sent)) return;
  // The pool's own pages could not be read (EFAULT: truncated or poisoned): that request fails, nobody else.
  if (sent === -EFAULT) fileSystem.failLost(null);
  else fileSystem.exchange.fail(EIO);
  const again = channel.writev(iovecAddress, iovecs.count);
  if (again >= 0 || isGone(-again)) return;
  throw new AssertionError(`the kernel refused a reply (${errnoName(-sent)}, then ${errnoName(-again)})`);
}

/** ENOENT: nobody waits for it any more (interrupted, or the mount ends). ENODEV: the session is over. */
function isGone(errno: number): boolean {
  return errno === ENOENT || errno === ENODEV;
}
