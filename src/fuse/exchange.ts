/**
 * One request and its reply: a view of the buffer that the kernel filled, and
 * the iovecs of the reply. A thread uses one for its whole life, so that no
 * request allocates an object.
 */
import { readU64, writeU64 } from "../base/bytes.js";
import type { IovecList } from "../base/iovec.js";
import type { Address, ByteOffset } from "../base/units.js";
import { fuse_in_header, fuse_out_header } from "./abi.js";

const IN_WORDS = fuse_in_header.sizeBytes / 4;
const OUT_WORDS = fuse_out_header.sizeBytes / 4;

/** Returned by a handler that has written its whole reply. */
export const REPLIED = -4096;

/** Size of the reply buffer: the header and the largest body that is not file data. */
export const REPLY_BYTES = 4096;

export interface ExchangeBuffers {
  /** What `read` on the device fills: max_write plus a page of headers. */
  readonly request: Int32Array;
  readonly requestAddress: Address;
  /** REPLY_BYTES of memory. */
  readonly reply: Int32Array;
  readonly replyAddress: Address;
  readonly iovecs: IovecList;
}

export class Exchange {
  /** Length of the request as read, bytes. */
  lengthBytes = 0;
  readonly words: Int32Array;
  readonly reply: Int32Array;
  readonly iovecs: IovecList;
  private readonly bytes: Uint8Array;
  private readonly requestAddress: Address;
  private readonly replyAddress: Address;

  constructor(buffers: ExchangeBuffers) {
    this.words = buffers.request;
    this.requestAddress = buffers.requestAddress;
    this.reply = buffers.reply;
    this.replyAddress = buffers.replyAddress;
    this.iovecs = buffers.iovecs;
    this.bytes = new Uint8Array(this.words.buffer, this.words.byteOffset, this.words.byteLength);
  }

  /** Bytes that follow the header. */
  get bodyBytes(): number {
    return this.lengthBytes - fuse_in_header.sizeBytes;
  }

  get opcode(): number {
    return this.words[fuse_in_header.word.opcode];
  }

  get nodeid(): number {
    return readU64(this.words, fuse_in_header.word.nodeid);
  }

  get uid(): number {
    return this.words[fuse_in_header.word.uid] >>> 0;
  }

  get gid(): number {
    return this.words[fuse_in_header.word.gid] >>> 0;
  }

  /** The 32-bit field at word `word` of the body. */
  u32(word: number): number {
    return this.words[IN_WORDS + word] >>> 0;
  }

  /** The 64-bit field at word `word` of the body; not exact above 2^53. */
  u64(word: number): number {
    return readU64(this.words, IN_WORDS + word);
  }

  /** The 64-bit field at word `word` of the body as signed seconds since the epoch. */
  seconds(word: number): number {
    return (this.words[IN_WORDS + word] >>> 0) + this.words[IN_WORDS + word + 1] * 0x1_0000_0000;
  }

  /** True when a 64-bit field is 2^53 or more: a negative or impossible offset. */
  isHuge(word: number): boolean {
    return this.words[IN_WORDS + word + 1] >>> 0 >= 1 << 21;
  }

  /** Address of byte `offset` of the body. */
  bodyAddress(offset: ByteOffset): Address {
    return this.requestAddress + fuse_in_header.sizeBytes + offset;
  }

  /** True when the body is exactly the NUL-terminated `name`, given as bytes without the NUL. */
  isName(name: Uint8Array): boolean {
    if (this.bodyBytes !== name.length + 1) return false;
    for (let i = 0; i < name.length; i++) if (this.bytes[fuse_in_header.sizeBytes + i] !== name[i]) return false;
    return this.bytes[fuse_in_header.sizeBytes + name.length] === 0;
  }

  /** True when the body is one NUL-terminated name with no NUL inside. */
  hasName(): boolean {
    const end = this.bytes.indexOf(0, fuse_in_header.sizeBytes);
    return end > fuse_in_header.sizeBytes && end === this.lengthBytes - 1;
  }

  /** The word of the reply at which its body begins. */
  readonly body = OUT_WORDS;

  clearBody(lengthBytes: number): void {
    this.reply.fill(0, OUT_WORDS, OUT_WORDS + Math.ceil(lengthBytes / 4));
  }

  /** Begins a reply whose data follows the header in further iovecs. */
  beginData(): void {
    this.iovecs.clear();
    this.iovecs.add(this.replyAddress, fuse_out_header.sizeBytes);
  }

  /** Completes a reply begun with `beginData`. */
  endData(): void {
    this.writeHeader(this.iovecs.lengthBytes, 0);
  }

  /** A whole reply with `bodyBytes` bytes of the reply buffer as its body. */
  finish(bodyBytes: number): void {
    const lengthBytes = fuse_out_header.sizeBytes + bodyBytes;
    this.iovecs.clear();
    this.iovecs.add(this.replyAddress, lengthBytes);
    this.writeHeader(lengthBytes, 0);
  }

  /** A whole reply with the error `errno` and no body. */
  fail(errno: number): void {
    this.iovecs.clear();
    this.iovecs.add(this.replyAddress, fuse_out_header.sizeBytes);
    this.writeHeader(fuse_out_header.sizeBytes, -errno);
  }

  private writeHeader(lengthBytes: number, error: number): void {
    this.reply[fuse_out_header.word.len] = lengthBytes;
    this.reply[fuse_out_header.word.error] = error;
    // Copied as two words: a unique has 64 bits, more than a number holds.
    this.reply[fuse_out_header.word.unique] = this.words[fuse_in_header.word.unique];
    this.reply[fuse_out_header.word.unique + 1] = this.words[fuse_in_header.word.unique + 1];
  }

  putU64(word: number, value: number): void {
    writeU64(this.reply, OUT_WORDS + word, value);
  }

  /** Writes signed seconds since the epoch, in two's complement. */
  putSeconds(word: number, seconds: number): void {
    this.reply[OUT_WORDS + word] = seconds | 0;
    this.reply[OUT_WORDS + word + 1] = Math.floor(seconds / 0x1_0000_0000);
  }

  putU32(word: number, value: number): void {
    this.reply[OUT_WORDS + word] = value;
  }
}
