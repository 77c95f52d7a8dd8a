/** The protocol core as one thread of a mount has it, on stand-in memory: request bytes in, reply bytes out. */
import { createHash } from "node:crypto";
import { UserError } from "../../../src/base/errors.js";
import { MAX_IOVECS } from "../../../src/base/iovec.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { BlockFile } from "../../../src/blockfile/blockFile.js";
import { TRAFFIC_DOUBLES, Traffic } from "../../../src/blockfile/traffic.js";
import { ATTRIBUTE_DOUBLES, Attributes } from "../../../src/fuse/attributes.js";
import { dispatch } from "../../../src/fuse/dispatch.js";
import { Exchange, REPLY_BYTES } from "../../../src/fuse/exchange.js";
import { FileSystem } from "../../../src/fuse/fileSystem.js";
import { MAX_TRANSFER_BYTES, REQUEST_BYTES } from "../../../src/fuse/init.js";
import { ACCOUNT_WORDS } from "../../../src/pool/account.js";
import { formatPool } from "../../../src/pool/format.js";
import { chosenGeometry } from "../../../src/pool/geometry.js";
import type { Pool } from "../../../src/pool/pool.js";
import { probePool } from "../../../src/pool/probe.js";
import { allocateShared, type PoolShared } from "../../../src/pool/shared.js";
import { decode } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { Arena, ArenaMemory, makeIovecs } from "./arena.js";

/** 2023-11-14 22:13:20.25 UTC: seconds `00 f1 53 65`, nanoseconds `80 b2 e6 0e` on the wire. */
export const MOUNTED_MS = 1_700_000_000_250;
export const OWNER = 1000;

export interface ServerOptions {
  /** Size of the file; 8 unless given. */
  readonly blocks?: number;
  /** Largest size of the file; 12 unless given. */
  readonly maxBlocks?: number;
  /** Pages of the pool for data; 16 unless given. */
  readonly dataPages?: number;
  readonly readOnly?: boolean;
  /** Runs before the pool is opened read-only. */
  readonly given?: (server: WireServer) => void;
}

/** Everything a request can change, in a form that compares quickly. */
export interface State {
  readonly poolHash: string;
  readonly held: string;
  readonly account: string;
  readonly attributes: string;
}

export class WireServer {
  nowMs = MOUNTED_MS;
  readonly memory: ArenaMemory;
  readonly pool: Pool;
  readonly shared: PoolShared;
  readonly file: BlockFile;
  readonly exchange: Exchange;
  private readonly fileSystem: FileSystem;
  private readonly request;
  private readonly gather: () => Uint8Array;
  private readonly accountWords = new Int32Array(ACCOUNT_WORDS);
  private readonly doubles = new Float64Array(ATTRIBUTE_DOUBLES);
  private readonly trafficSlots = new Float64Array(TRAFFIC_DOUBLES);

  constructor(options: ServerOptions = {}) {
    const arena = new Arena();
    this.request = arena.allocate(REQUEST_BYTES);
    const reply = arena.allocate(REPLY_BYTES);
    const zeros = arena.allocate(MAX_TRANSFER_BYTES);
    const { blocks = 8, maxBlocks = 12, dataPages = 16, readOnly = false } = options;
    const geometry = chosenGeometry(1 + Math.ceil(maxBlocks / 512) + dataPages, maxBlocks);
    this.memory = new ArenaMemory(arena, geometry.pageCount);
    formatPool(this.memory, {
      geometry,
      blocks,
      uuid: new Uint8Array(16),
      label: new Uint8Array(),
      incompatible: 0,
      nowMs: MOUNTED_MS,
      full: false,
    });
    this.shared = allocateShared(geometry, 1);
    const { pool } = probePool(
      {
        memory: this.memory,
        geometry,
        shared: this.shared,
        accountWords: this.accountWords,
        thread: 0,
      },
      decode(superblockPage(this.memory), geometry.pageCount),
      { readOnly },
    );
    this.pool = pool;
    const clock = { nowMs: () => this.nowMs };
    const parts = {
      pool: this.pool,
      zeroAddress: zeros.address,
      zeroBytes: MAX_TRANSFER_BYTES,
      traffic: new Traffic(this.trafficSlots, 0, clock),
    };
    const attributes = new Attributes(this.doubles);
    attributes.init(0o600, OWNER, OWNER, MOUNTED_MS);
    const iovecs = makeIovecs(arena);
    this.gather = iovecs.gather;
    this.exchange = new Exchange({
      request: this.request.words,
      requestAddress: this.request.address,
      reply: reply.words,
      replyAddress: reply.address,
      iovecs: iovecs.list,
    });
    // What a former request left in the buffers must not shine through.
    this.request.bytes.fill(0xee);
    reply.bytes.fill(0xdd);
    if (readOnly) {
      this.file = new BlockFile({ ...parts, readOnly: false });
      options.given?.(this);
    }
    this.file = new BlockFile({ ...parts, readOnly });
    this.fileSystem = new FileSystem({
      file: this.file,
      attributes,
      exchange: this.exchange,
      clock,
      readOnly,
      backingId: 0,
    });
    if (!readOnly) options.given?.(this);
  }

  /**
   * Hands one request in as /dev/fuse would, and checks what holds of every answer.
   * @returns the reply's bytes, or null for none
   */
  send(bytes: Uint8Array): Uint8Array | null {
    this.receive(bytes);
    this.file.enter();
    try {
      return dispatch(this.fileSystem, bytes.length) ? this.checked(this.gather(), bytes) : null;
    } finally {
      this.file.leave();
    }
  }

  /** Puts bytes where a read of the device would; the rest of the buffer stays as it is. */
  receive(bytes: Uint8Array): void {
    this.request.bytes.set(bytes);
    this.exchange.lengthBytes = bytes.length;
  }

  /** The reply that lies in the exchange. */
  replied(): Uint8Array {
    return this.gather();
  }

  /** Writes to the file behind the protocol's back. */
  put(offset: number, content: Uint8Array): void {
    this.request.bytes.set(content);
    this.file.enter();
    const written = this.file.write(offset, content.length, this.request.address);
    this.file.leave();
    if (written !== content.length) throw new UserError("put", `${written} instead of ${content.length}`);
  }

  /** The file's bytes, by way of the index and not of the protocol. */
  content(): Uint8Array {
    const bytes = new Uint8Array(this.pool.blocks * PAGE_BYTES);
    for (let block = 0; block < this.pool.blocks; block++) {
      const at = this.pool.index.get(block) * PAGE_BYTES;
      if (at !== 0) bytes.set(this.memory.bytes.subarray(at, at + PAGE_BYTES), block * PAGE_BYTES);
    }
    return bytes;
  }

  /** One character a block: `#` mapped, `.` hole. */
  map(): string {
    const blocks = Array.from({ length: this.pool.blocks }, (_, block) => block);
    return blocks.map((block) => (this.pool.index.get(block) === 0 ? "." : "#")).join("");
  }

  state(): State {
    const { account } = this.pool;
    const { used, limbo, metadata, free, blocks } = account;
    return {
      poolHash: createHash("sha1").update(this.memory.bytes).digest("hex"),
      held: [...this.memory.held].sort((a, b) => a - b).join(" "),
      account: JSON.stringify({ used, limbo, metadata, free, blocks }),
      attributes: this.doubles.join(" "),
    };
  }

  /** Bytes written and discarded, which a refused request must not count. */
  get changes(): string {
    return this.trafficSlots.slice(1, 4).join(" ");
  }

  private checked(reply: Uint8Array, request: Uint8Array): Uint8Array {
    const view = new DataView(reply.buffer);
    const error = view.getInt32(4, true);
    const problems = [
      reply.length === view.getUint32(0, true) ? "" : `${reply.length} bytes, len says ${view.getUint32(0, true)}`,
      error <= 0 && error > -512 ? "" : `error ${error} is none that the kernel takes`,
      error === 0 || reply.length === 16 ? "" : "an error with a body",
      Buffer.compare(reply.subarray(8, 16), request.subarray(8, 16)) === 0 ? "" : "another request's unique",
      this.exchange.iovecs.count <= MAX_IOVECS ? "" : "more iovecs than writev takes",
    ].filter((problem) => problem !== "");
    if (problems.length > 0) throw new Error(`reply: ${problems.join("; ")}`);
    return reply;
  }
}

/** The errno of a reply, 0 for success. */
export function errnoOf(reply: Uint8Array | null): number {
  if (reply === null) throw new Error("no answer");
  return -new DataView(reply.buffer).getInt32(4, true);
}
