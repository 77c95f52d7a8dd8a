/**
 * The memory that holder and servers share: a memfd that lives as long as the
 * holder. It has the config a server needs, and the account and counters that
 * `status` shows, so that those do not depend on a server being alive.
 */
import { assert } from "../../base/assert.js";
import { UserError } from "../../base/errors.js";
import { TRAFFIC_DOUBLES } from "../../blockfile/traffic.js";
import { ATTRIBUTE_DOUBLES, Attributes } from "../../fuse/attributes.js";
import type { Backing } from "../../linux/backing/backing.js";
import type { ProgressBytes } from "../../linux/process/blockingLimit.js";
import type { MountOptions } from "../../mounts/options.js";
import { MAX_THREADS } from "../../pool/epochs.js";
import type { Geometry } from "../../pool/geometry.js";
import { PERSISTENT_WORDS } from "../../pool/persistentState.js";
import { HEARTBEAT_WORDS } from "./heartbeats.js";

const LASTING_AT = 0;
const ATTRIBUTES_AT = 1024;
const TRAFFIC_AT = 4096;
const HEARTBEATS_AT = 8192;
const CONFIG_AT = 16384;
export const SESSION_BYTES = 65536;
assert(LASTING_AT + 4 * PERSISTENT_WORDS <= ATTRIBUTES_AT, "the lasting words reach into the attributes");
assert(ATTRIBUTES_AT + 8 * ATTRIBUTE_DOUBLES <= TRAFFIC_AT, "the attributes reach into the traffic");
assert(TRAFFIC_AT + 8 * MAX_THREADS * TRAFFIC_DOUBLES <= HEARTBEATS_AT, "the traffic reaches into the beats");
assert(HEARTBEATS_AT + 4 * HEARTBEAT_WORDS <= CONFIG_AT, "the beats reach into the config");

/** Must be raised when a server could not use what an older holder wrote here. */
const CONFIG_VERSION = 2;

/** All that a server needs to know; the fds are its own numbers. */
export interface ServerConfig {
  /** Another server served the session before: its I/O mode is the one that `direct` says. */
  readonly isRestart: boolean;
  readonly backing: Backing;
  readonly geometry: Geometry;
  /** One fd of the session a worker. */
  readonly channelFds: readonly number[];
  readonly readOnly: boolean;
  readonly atomicWrites: boolean;
  readonly direct: DirectConfig | null;
}

/** What direct mode takes; null in the config where it cannot be, or was not asked for. */
export interface DirectConfig {
  /** The kernel's number of `data`, made once in a session. */
  readonly backingId: number;
  /** Only direct mode was requested. */
  readonly only: boolean;
}

export interface SessionMemory {
  readonly persistentWords: Int32Array;
  /** For `Heartbeats`. */
  readonly heartbeatWords: Int32Array;
  readonly attributeDoubles: Float64Array;
  readonly trafficSlots: Float64Array;
}

/** Views on the session's memory. @param bytes SESSION_BYTES of shared memory */
export function viewSession(bytes: ArrayBufferLike): SessionMemory {
  return {
    persistentWords: new Int32Array(bytes, LASTING_AT, PERSISTENT_WORDS),
    heartbeatWords: new Int32Array(bytes, HEARTBEATS_AT, HEARTBEAT_WORDS),
    attributeDoubles: new Float64Array(bytes, ATTRIBUTES_AT, ATTRIBUTE_DOUBLES),
    trafficSlots: new Float64Array(bytes, TRAFFIC_AT, MAX_THREADS * TRAFFIC_DOUBLES),
  };
}

/** Where the counts of the threads are that answer requests. @param memoryFd the session's memory */
export function progressIn(memoryFd: number): ProgressBytes {
  // Not of the main thread, which goes on also when the others hang.
  const mainBytes = (4 * HEARTBEAT_WORDS) / MAX_THREADS;
  return { fd: memoryFd, at: HEARTBEATS_AT + mainBytes, lengthBytes: 4 * HEARTBEAT_WORDS - mainBytes };
}

/** Owner, mode and times of the file and its directory, for a session that begins. */
export function initAttributes(bytes: ArrayBufferLike, options: MountOptions): void {
  const { uid = process.geteuid?.() ?? 0, gid = process.getegid?.() ?? 0, mode, readOnly } = options;
  const attributes = new Attributes(viewSession(bytes).attributeDoubles);
  attributes.init(mode ?? (readOnly ? 0o400 : 0o600), uid, gid, Date.now());
  if (mode !== undefined) attributes.setDirectoryMode(searchable(mode));
}

/** Users that may read or write the file may also look it up. */
function searchable(mode: number): number {
  return mode | ((mode & 0o444) >> 2) | ((mode & 0o222) >> 1);
}

export function writeConfig(bytes: ArrayBufferLike, config: ServerConfig): void {
  const text = new TextEncoder().encode(JSON.stringify({ version: CONFIG_VERSION, ...config }));
  assert(CONFIG_AT + 4 + text.length <= SESSION_BYTES, "the session's config are too long");
  new Uint8Array(bytes).set(text, CONFIG_AT + 4);
  new Uint32Array(bytes, CONFIG_AT, 1)[0] = text.length;
}

/** @throws UserError when they are another version's */
export function readConfig(bytes: ArrayBufferLike): ServerConfig {
  const length = new Uint32Array(bytes, CONFIG_AT, 1)[0];
  assert(length > 0 && CONFIG_AT + 4 + length <= SESSION_BYTES, "the session's memory holds no config");
  // A copy: TextDecoder refuses shared memory.
  const text = new Uint8Array(bytes, CONFIG_AT + 4, length).slice();
  const config = JSON.parse(new TextDecoder().decode(text)) as ServerConfig & { readonly version?: number };
  if (config.version === CONFIG_VERSION) return config;
  const reason = `was started by an incompatible version of kmemfs (record version: ${config.version ?? "none"})`;
  throw new UserError("the session", reason, { code: "EPROTO", cure: "unmount it and mount it again" });
}
