/**
 * One message over a Unix socket, with fds (SCM_RIGHTS, unix(7)): the packed
 * structs msghdr, iovec, sockaddr_un and cmsghdr, equal on x86-64 and arm64.
 */
import { assert } from "../../base/assert.js";
import { readU64, writeU64 } from "../../base/bytes.js";
import type { Errno } from "../../base/units.js";
import { allocateBuffer } from "./buffers.js";
import { AF_UNIX, MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET } from "./constants.js";
import { recvmsg, sendmsg } from "./libcMount.js";

/** What the kernel takes in one message (SCM_MAX_FD). */
export const MOST_FDS = 253;

const MSGHDR_BYTES = 56;
const CMSGHDR_BYTES = 16;
const SUN_PATH_BYTES = 108;
// Where the structs lie in one buffer, bytes.
const IOVEC_AT = 64;
const ADDRESS_AT = 128;
const CONTROL_AT = 256;
const CONTROL_BYTES = CMSGHDR_BYTES + MOST_FDS * 4 + 4;
const TEXT_AT = 2048;
const TEXT_BYTES = 2048;

/**
 * A struct sockaddr_un of its exact length.
 * @param path a path, or an abstract name after `@`
 * @returns null when it is longer than a socket's address can be
 */
export function unixAddress(path: string): Uint8Array | null {
  const name = new TextEncoder().encode(path);
  const abstract = path.startsWith("@");
  if (abstract) name[0] = 0;
  // A path has a zero at its end; in an abstract name every byte counts.
  if (name.length + (abstract ? 0 : 1) > SUN_PATH_BYTES) return null;
  const address = new Uint8Array(2 + name.length + (abstract ? 0 : 1));
  address[0] = AF_UNIX;
  address.set(name, 2);
  return address;
}

/** Its buffer lives as long as the process, so create only one. */
export class UnixMessage {
  private readonly buffer = allocateBuffer(TEXT_AT + TEXT_BYTES);
  private readonly words = new Uint32Array(this.buffer.bytes);
  private readonly bytes = new Uint8Array(this.buffer.bytes);

  /**
   * Sends one datagram, and waits for nobody.
   * @param fds at most MOST_FDS; the receiver gets duplicates
   * @returns 0 or a positive errno: EAGAIN the receiver's queue is full, ECONNREFUSED nobody receives
   */
  send(socketFd: number, address: Uint8Array, text: string, fds: readonly number[]): Errno {
    const encoded = new TextEncoder().encode(text);
    assert(encoded.length <= TEXT_BYTES && fds.length <= MOST_FDS, "the message is too long");
    this.bytes.set(encoded, TEXT_AT);
    this.bytes.set(address, ADDRESS_AT);
    this.prepare(encoded.length, fds.length === 0 ? 0 : CMSGHDR_BYTES + Math.ceil(fds.length / 2) * 8);
    writeU64(this.words, 0, this.buffer.address + ADDRESS_AT);
    this.words[2] = address.length;
    if (fds.length > 0) {
      const control = CONTROL_AT / 4;
      writeU64(this.words, control, CMSGHDR_BYTES + fds.length * 4);
      this.words[control + 2] = SOL_SOCKET;
      this.words[control + 3] = SCM_RIGHTS;
      this.words.set(fds, control + CMSGHDR_BYTES / 4);
    }
    const result = sendmsg(socketFd, this.bytes.subarray(0, MSGHDR_BYTES), MSG_NOSIGNAL | MSG_DONTWAIT);
    return result < 0 ? -result : 0;
  }

  /** Receives one message, and waits for none. @returns its text and fds, close-on-exec, or a positive errno (EAGAIN) */
  receive(socketFd: number): { readonly text: string; readonly fds: number[] } | Errno {
    this.prepare(TEXT_BYTES, CONTROL_BYTES);
    const result = recvmsg(socketFd, this.bytes.subarray(0, MSGHDR_BYTES), MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (result < 0) return -result;
    const text = new TextDecoder().decode(this.bytes.slice(TEXT_AT, TEXT_AT + result));
    const control = CONTROL_AT / 4;
    const hasFds =
      readU64(this.words, 10) >= CMSGHDR_BYTES &&
      this.words[control + 2] === SOL_SOCKET &&
      this.words[control + 3] === SCM_RIGHTS;
    const count = hasFds ? (readU64(this.words, control) - CMSGHDR_BYTES) / 4 : 0;
    const first = control + CMSGHDR_BYTES / 4;
    return { text, fds: [...this.words.subarray(first, first + count)] };
  }

  /** struct msghdr: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48; struct iovec. */
  private prepare(textBytes: number, controlBytes: number): void {
    this.words.fill(0, 0, ADDRESS_AT / 4);
    writeU64(this.words, 4, this.buffer.address + IOVEC_AT);
    writeU64(this.words, 6, 1);
    writeU64(this.words, 8, controlBytes === 0 ? 0 : this.buffer.address + CONTROL_AT);
    writeU64(this.words, 10, controlBytes);
    writeU64(this.words, IOVEC_AT / 4, this.buffer.address + TEXT_AT);
    writeU64(this.words, IOVEC_AT / 4 + 2, textBytes);
  }
}
