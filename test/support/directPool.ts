/** A split pool on fake memory, in direct mode. */
import type { Memory } from "../../src/base/ports.js";
import { PAGE_BYTES } from "../../src/base/units.js";
import { DirectFile } from "../../src/blockfile/directFile.js";
import { TRAFFIC_DOUBLES, Traffic } from "../../src/blockfile/traffic.js";
import { Account } from "../../src/pool/account.js";
import { beginDirect } from "../../src/pool/directMode.js";
import { formatPool } from "../../src/pool/format.js";
import { allowShrink, PERSISTENT_WORDS } from "../../src/pool/persistentState.js";
import { allocateShared } from "../../src/pool/sharedState.js";
import { decode, INCOMPATIBLE_SPLIT, type Superblock } from "../../src/pool/superblock.js";
import { superblockPage } from "../../src/pool/superblockStore.js";
import { FakeDataFile } from "./fakeDataFile.js";
import { FakeMemory } from "./fakeMemory.js";
import { formatRequest, geometryOf, type TestPoolOptions } from "./testPool.js";
import { type Watch, WatchedMemory } from "./watchedMemory.js";

/** Formats fresh fake memory as a split pool. */
export function formatSplit(options: TestPoolOptions): FakeMemory {
  const geometry = geometryOf(options);
  const fake = FakeMemory.make({ ...options, metadataPages: geometry.firstDataPage });
  const blocks = options.blocks ?? geometry.maxBlocks;
  formatPool(fake, formatRequest(geometry, { blocks, full: options.full ?? false, incompatible: INCOMPATIBLE_SPLIT }));
  return fake;
}

export function superblockOf(fake: FakeMemory): Superblock {
  return decode(superblockPage(fake), fake.pageCount);
}

/** The `data` of a pool between two mounts: as long as the pool. */
export function wholeData(fake: FakeMemory): FakeDataFile {
  return new FakeDataFile(fake, (fake.pageCount - fake.metadataPages) * PAGE_BYTES);
}

export interface DirectPool {
  readonly fake: FakeMemory;
  readonly memory: Memory;
  readonly data: FakeDataFile;
  readonly file: DirectFile;
  readonly account: Account;
  readonly traffic: Traffic;
  readonly control: Int32Array;
  /** As the holder does it for a command. */
  allowShrink(blocks: number): void;
}

/** Hands a closed pool to direct mode. */
export function openDirect(
  fake: FakeMemory,
  options: { readonly watch?: Watch; readonly readOnly?: boolean; readonly data?: FakeDataFile } = {},
): DirectPool {
  const { watch, readOnly = false, data = wholeData(fake) } = options;
  const memory = watch === undefined ? fake : new WatchedMemory(fake, watch);
  const { geometry, blocks } = superblockOf(fake);
  if (!readOnly) beginDirect(fake, data, blocks);
  const persistentWords = new Int32Array(new SharedArrayBuffer(PERSISTENT_WORDS * 4));
  const account = new Account(persistentWords, geometry.dataPages);
  account.setBlocks(blocks);
  const traffic = new Traffic(new Float64Array(TRAFFIC_DOUBLES), 0, { nowMs: () => 1 });
  const { control } = allocateShared(geometry, 1);
  const file = new DirectFile({ memory, data, geometry, persistentWords, control, traffic, readOnly });
  const allow = (allowed: number): void => allowShrink(persistentWords, allowed);
  return { fake, memory, data, file, account, traffic, control, allowShrink: allow };
}
