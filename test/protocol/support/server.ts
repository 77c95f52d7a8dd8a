/** The protocol core as one thread of a mount has it, on stand-in memory: request bytes in, reply bytes out. */
import { createHash } from "node:crypto";
import { UserError } from "../../../src/base/errors.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { ServedFile } from "../../../src/blockfile/servedFile.js";
import { TRAFFIC_DOUBLES, Traffic } from "../../../src/blockfile/traffic.js";
import { ATTRIBUTE_DOUBLES, Attributes } from "../../../src/fuse/attributes.js";
import type { Exchange } from "../../../src/fuse/exchange.js";
import { FileSystem } from "../../../src/fuse/fileSystem.js";
import { MAX_TRANSFER_BYTES } from "../../../src/fuse/init.js";
import { formatPool } from "../../../src/pool/format.js";
import { chosenGeometry } from "../../../src/pool/geometry.js";
import { PERSISTENT_WORDS } from "../../../src/pool/persistentState.js";
import type { Pool } from "../../../src/pool/pool.js";
import { probePool } from "../../../src/pool/probe.js";
import { allocateShared, type PoolShared } from "../../../src/pool/sharedState.js";
import { decode } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { Arena, ArenaMemory } from "./arena.js";
import { WireThread } from "./wireThread.js";

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
  readonly durable?: boolean;
  readonly atomicWrites?: boolean;
  readonly isVolatile?: boolean;
  /** Runs at last; may put content into a read-only pool too. */
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
  readonly file: ServedFile;
  readonly exchange: Exchange;
  private readonly thread: WireThread;
  /** The same file, for what a test puts there. */
  private readonly writable: ServedFile;
  private readonly persistentWords = new Int32Array(PERSISTENT_WORDS);
  private readonly doubles = new Float64Array(ATTRIBUTE_DOUBLES);
  private readonly trafficSlots = new Float64Array(TRAFFIC_DOUBLES);

  constructor(options: ServerOptions = {}) {
    const arena = new Arena();
    const zeros = arena.allocate(MAX_TRANSFER_BYTES);
    const {
      blocks = 8,
      maxBlocks = 12,
      dataPages = 16,
      readOnly = false,
      durable = false,
      atomicWrites = false,
      isVolatile = false,
    } = options;
    const geometry = chosenGeometry(1 + Math.ceil(maxBlocks / 512) + dataPages, maxBlocks);
    this.memory = new ArenaMemory(arena, geometry.pageCount, durable);
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
        persistentWords: this.persistentWords,
        thread: 0,
      },
      decode(superblockPage(this.memory), geometry.pageCount),
      { readOnly },
    );
    this.pool = pool;
    const clock = { nowMs: () => this.nowMs };
    const parts = {
      pool: this.pool,
      atomicWrites,
      zeroAddress: zeros.address,
      zeroBytes: MAX_TRANSFER_BYTES,
      traffic: new Traffic(this.trafficSlots, 0, clock),
    };
    const attributes = new Attributes(this.doubles);
    attributes.init(0o600, OWNER, OWNER, MOUNTED_MS);
    this.file = new ServedFile({ ...parts, readOnly });
    const { file } = this;
    const firstData = this.memory.baseAddress + geometry.firstDataPage * PAGE_BYTES;
    const poolEnd = this.memory.baseAddress + geometry.pageCount * PAGE_BYTES;
    this.thread = new WireThread(
      arena,
      (exchange) => new FileSystem({ file, attributes, exchange, clock, readOnly, isVolatile, backingId: 0 }),
      (address, lengthBytes) =>
        (address >= firstData && address + lengthBytes <= poolEnd) ||
        (address >= zeros.address && address + lengthBytes <= zeros.address + MAX_TRANSFER_BYTES),
    );
    this.exchange = this.thread.exchange;
    this.writable = readOnly ? new ServedFile({ ...parts, readOnly: false }) : file;
    options.given?.(this);
  }

  /** See `WireThread.send`. */
  send(bytes: Uint8Array): Uint8Array | null {
    return this.thread.send(bytes);
  }

  /** See `WireThread.receive`. */
  receive(bytes: Uint8Array): void {
    this.thread.receive(bytes);
  }

  /** The reply that lies in the exchange. */
  replied(): Uint8Array {
    return this.thread.replied();
  }

  /** Writes to the file behind the protocol's back. */
  put(offset: number, content: Uint8Array): void {
    this.thread.request.bytes.set(content);
    this.writable.enter();
    const written = this.writable.write(offset, content.length, this.thread.request.address);
    this.writable.leave();
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

  /** All that a refused request may not change, to compare with copies of it. */
  get watched(): readonly ArrayBufferView[] {
    // Without the peak, which a request raises that finds no room.
    const counts = [this.persistentWords.subarray(0, 3), this.persistentWords.subarray(5, 6)];
    return [this.memory.bytes, ...counts, this.doubles, this.trafficSlots.subarray(1, 4)];
  }

  /** Bytes written and discarded, which a refused request must not count. */
  get changes(): string {
    return this.trafficSlots.slice(1, 4).join(" ");
  }
}
