/** One serving thread on stand-in memory: the real loop, with a channel that hands it one request. */
import { ENODEV } from "../../../src/base/errno.js";
import { MAX_IOVECS } from "../../../src/base/iovec.js";
import { serve } from "../../../src/daemon/server/serveLoop.js";
import { HEARTBEAT_WORDS, Heartbeat } from "../../../src/daemon/session/heartbeats.js";
import { Exchange, REPLY_BYTES } from "../../../src/fuse/exchange.js";
import type { FileSystem } from "../../../src/fuse/fileSystem.js";
import { REQUEST_BYTES } from "../../../src/fuse/init.js";
import { type Arena, makeIovecs, type Region } from "./arena.js";

/** True where `lengthBytes` bytes at an address may be sent as the file's. */
type IsFileData = (address: number, lengthBytes: number) => boolean;

export class WireThread {
  readonly exchange: Exchange;
  readonly request: Region;
  private readonly reply: Region;
  private readonly iovecs;
  private readonly stack;
  private readonly answers: Uint8Array[] = [];
  private pendingBytes = -ENODEV;

  constructor(
    arena: Arena,
    makeFileSystem: (exchange: Exchange) => FileSystem,
    private readonly isFileData: IsFileData,
  ) {
    this.request = arena.allocate(REQUEST_BYTES);
    this.reply = arena.allocate(REPLY_BYTES);
    // What a former request left in the buffers must not shine through.
    this.request.bytes.fill(0xee);
    this.reply.bytes.fill(0xdd);
    this.iovecs = makeIovecs(arena);
    this.exchange = new Exchange({
      request: this.request.words,
      requestAddress: this.request.address,
      reply: this.reply.words,
      replyAddress: this.reply.address,
      iovecs: this.iovecs.list,
    });
    this.stack = {
      isLocked: true,
      beat: new Heartbeat(new Int32Array(HEARTBEAT_WORDS), 1),
      faults: null,
      fileSystem: makeFileSystem(this.exchange),
      channel: {
        read: () => this.takePending(),
        writev: (_address: number, count: number) => this.takeAnswer(count),
        isReadable: () => true,
        setBlocking: () => {},
      },
      requestAddress: this.request.address,
      requestBytes: REQUEST_BYTES,
      iovecAddress: 0,
      iovecs: this.iovecs.list,
    };
  }

  /**
   * Hands one request in as /dev/fuse would, and checks what holds of every answer.
   * @returns the reply's bytes, or null for none. @throws Error when a reply is none, or there are two
   */
  send(bytes: Uint8Array): Uint8Array | null {
    this.receive(bytes);
    this.pendingBytes = bytes.length;
    this.answers.length = 0;
    serve(this.stack);
    const [reply, second] = this.answers;
    if (second !== undefined) throw new Error("a request was answered twice");
    if (reply === undefined) return null;
    const problems = [...replyProblems(reply, bytes), ...this.iovecProblems()];
    if (problems.length > 0) throw new Error(`reply: ${problems.join("; ")}`);
    return reply;
  }

  /** Puts bytes where a read of the device would; the rest of the buffer stays as it is. */
  receive(bytes: Uint8Array): void {
    this.request.bytes.set(bytes);
    this.exchange.lengthBytes = bytes.length;
  }

  /** The reply that lies in the exchange. */
  replied(): Uint8Array {
    return this.iovecs.gather();
  }

  private takePending(): number {
    const pending = this.pendingBytes;
    this.pendingBytes = -ENODEV;
    return pending;
  }

  private takeAnswer(iovecCount: number): number {
    if (iovecCount !== this.iovecs.list.count)
      throw new Error(`${iovecCount} iovecs of ${this.iovecs.list.count} sent`);
    const reply = this.replied();
    this.answers.push(reply);
    return reply.length;
  }

  /** The header lies in the reply's own memory, all that follows it in the file's. */
  private iovecProblems(): string[] {
    const { list } = this.iovecs;
    if (list.count < 1 || list.count > MAX_IOVECS) return [`${list.count} iovecs`];
    const problems: string[] = [];
    for (let i = 0; i < list.count; i++) {
      const [address, lengthBytes] = this.iovecs.entry(i);
      const isOurs = address === this.reply.address && lengthBytes <= REPLY_BYTES;
      if (i === 0 ? !isOurs : !this.isFileData(address, lengthBytes)) problems.push(`iovec ${i} is not the file's`);
    }
    return problems;
  }
}

/** What is wrong with the bytes of a reply to the request. */
function replyProblems(reply: Uint8Array, request: Uint8Array): string[] {
  if (reply.length < 16) return [`${reply.length} bytes are no reply`];
  const view = new DataView(reply.buffer, reply.byteOffset);
  const error = view.getInt32(4, true);
  return [
    reply.length === view.getUint32(0, true) ? "" : `${reply.length} bytes, len says ${view.getUint32(0, true)}`,
    error <= 0 && error > -512 ? "" : `error ${error} is none that the kernel takes`,
    error === 0 || reply.length === 16 ? "" : "an error with a body",
    Buffer.compare(reply.subarray(8, 16), request.subarray(8, 16)) === 0 ? "" : "another request's unique",
  ].filter((problem) => problem !== "");
}

/** The errno of a reply, 0 for success. */
export function errnoOf(reply: Uint8Array | null): number {
  if (reply === null) throw new Error("no answer");
  return -new DataView(reply.buffer, reply.byteOffset).getInt32(4, true);
}
