/** The protocol core in direct mode, as one thread has it. */
import { ATTRIBUTE_DOUBLES, Attributes } from "../../../src/fuse/attributes.js";
import { FileSystem } from "../../../src/fuse/fileSystem.js";
import { type DirectPool, formatSplit, openDirect, wholeData } from "../../support/directPool.js";
import type { Watch } from "../../support/watchedMemory.js";
import { Arena } from "./arena.js";
import { MOUNTED_MS, OWNER } from "./server.js";
import { WireThread } from "./wireThread.js";

export const BACKING_ID = 0x01020304;

export interface DirectOptions {
  readonly readOnly?: boolean;
  readonly durable?: boolean;
  readonly watch?: Watch;
}

/** 30 blocks in a pool of 34 data pages; 32 blocks at most. */
export class DirectServer {
  readonly pool: DirectPool;
  readonly thread: WireThread;
  readonly doubles = new Float64Array(ATTRIBUTE_DOUBLES);

  constructor(options: DirectOptions = {}) {
    const { readOnly = false, durable = false, watch } = options;
    const fake = formatSplit({ pageCount: 36, maxBlocks: 32, blocks: 30, durable });
    const data = wholeData(fake);
    this.pool = openDirect(fake, watch === undefined ? { readOnly, data } : { readOnly, data, watch });
    const attributes = new Attributes(this.doubles);
    attributes.init(0o600, OWNER, OWNER, MOUNTED_MS);
    const { file } = this.pool;
    const clock = { nowMs: () => MOUNTED_MS };
    this.thread = new WireThread(
      new Arena(),
      (exchange) =>
        new FileSystem({ file, attributes, exchange, clock, readOnly, isVolatile: false, backingId: BACKING_ID }),
      // The kernel reads it by itself.
      () => false,
    );
  }

  /** See `WireThread.send`. */
  send(bytes: Uint8Array): Uint8Array | null {
    return this.thread.send(bytes);
  }
}
