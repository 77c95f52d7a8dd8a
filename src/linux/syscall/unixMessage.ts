/** One message over a Unix socket, with fds (SCM_RIGHTS, unix(7)). */
import { assert } from "../../base/assert.js";
import type { Errno } from "../../base/units.js";
import { allocateBuffer } from "./buffers.js";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./constants.js";
import { errnoOf } from "./foreign.js";
import { recvmsg, sendmsg, socketpair } from "./libcMount.js";
import { cmsghdr, iovec, msghdr, StructMemory, sockaddr_un } from "./structs.js";

/** What the kernel takes in one message (SCM_MAX_FD). */
export const MOST_FDS = 253;

// Where the structs lie in one buffer, bytes.
const IOVEC_AT = 64;
const ADDRESS_AT = 128;
const CONTROL_AT = 256;
const FDS_AT = CONTROL_AT + cmsghdr.sizeBytes;
const CONTROL_BYTES = cmsghdr.sizeBytes + MOST_FDS * 4 + 4;
const TEXT_AT = 2048;
const TEXT_BYTES = 2048;

/** Two sockets that are connected, close-on-exec; or a positive errno. */
export function unixSocketPair(): readonly [number, number] | Errno {
  const pair = new Int32Array(2);
  const result = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, new Uint8Array(pair.buffer));
  return result < 0 ? -result : [pair[0], pair[1]];
}

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
  const lengthBytes = sockaddr_un.offset.sun_path + name.length + (abstract ? 0 : 1);
  if (lengthBytes > sockaddr_un.sizeBytes) return null;
  const address = new StructMemory(sockaddr_un).set({ sun_family: AF_UNIX });
  address.bytesOf("sun_path", name.length).set(name);
  return address.bytes.subarray(0, lengthBytes);
}

/** Its buffer lives as long as the process, so create only one. */
export class UnixMessage {
  private readonly buffer = allocateBuffer(TEXT_AT + TEXT_BYTES);
  private readonly bytes = new Uint8Array(this.buffer.bytes);
  private readonly header = new StructMemory(msghdr, this.bytes.subarray(0, msghdr.sizeBytes));
  private readonly control = new StructMemory(cmsghdr, this.bytes.subarray(CONTROL_AT, FDS_AT));
  private readonly fds = new Int32Array(this.buffer.bytes, FDS_AT, MOST_FDS);

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
    this.prepare(encoded.length, fds.length === 0 ? 0 : cmsghdr.sizeBytes + Math.ceil(fds.length / 2) * 8);
    this.header.set({ msg_name: this.buffer.address + ADDRESS_AT, msg_namelen: address.length });
    const cmsg_len = cmsghdr.sizeBytes + fds.length * 4;
    this.control.set({ cmsg_len, cmsg_level: SOL_SOCKET, cmsg_type: SCM_RIGHTS });
    this.fds.set(fds);
    return errnoOf(sendmsg(socketFd, this.header.bytes, MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  /** Receives one message, and waits for none. @returns its text and fds, close-on-exec, or a positive errno (EAGAIN) */
  receive(socketFd: number): { readonly text: string; readonly fds: number[] } | Errno {
    this.prepare(TEXT_BYTES, CONTROL_BYTES);
    const result = recvmsg(socketFd, this.header.bytes, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (result < 0) return -result;
    const text = new TextDecoder().decode(this.bytes.slice(TEXT_AT, TEXT_AT + result));
    const { header, control } = this;
    const hasFds =
      header.get("msg_controllen") >= cmsghdr.sizeBytes &&
      control.get("cmsg_level") === SOL_SOCKET &&
      control.get("cmsg_type") === SCM_RIGHTS;
    const count = hasFds ? (control.get("cmsg_len") - cmsghdr.sizeBytes) / 4 : 0;
    return { text, fds: [...this.fds.subarray(0, count)] };
  }

  private prepare(textBytes: number, controlBytes: number): void {
    const { address } = this.buffer;
    this.header.set({
      msg_name: 0,
      msg_namelen: 0,
      msg_iov: address + IOVEC_AT,
      msg_iovlen: 1,
      msg_control: controlBytes === 0 ? 0 : address + CONTROL_AT,
      msg_controllen: controlBytes,
    });
    const text = new StructMemory(iovec, this.bytes.subarray(IOVEC_AT, IOVEC_AT + iovec.sizeBytes));
    text.set({ iov_base: address + TEXT_AT, iov_len: textBytes });
  }
}
