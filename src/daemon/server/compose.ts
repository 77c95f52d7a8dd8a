/** Builds the whole stack of one serving thread, bottom up. */
import type { IovecList } from "../../base/iovec.js";
import { KIB } from "../../base/units.js";
import { DirectFile } from "../../blockfile/directFile.js";
import type { DiskFile } from "../../blockfile/diskFile.js";
import { ServedFile } from "../../blockfile/servedFile.js";
import { Traffic } from "../../blockfile/traffic.js";
import { Attributes } from "../../fuse/attributes.js";
import { FileSystem } from "../../fuse/fileSystem.js";
import { LinuxDataFile } from "../../linux/backing/dataFile.js";
import { FuseChannel } from "../../linux/fuse/fuseDevice.js";
import type { MemoryMapping } from "../../linux/memory/mapping.js";
import { attachMemory } from "../../linux/memory/memory.js";
import type { Faults } from "../../linux/memory/sigbusGuard.js";
import { allocateBuffer } from "../../linux/syscall/buffers.js";
import type { Geometry } from "../../pool/geometry.js";
import { Pool } from "../../pool/pool.js";
import type { PoolShared } from "../../pool/sharedState.js";
import { composeExchange } from "../session/exchange.js";
import { Heartbeat } from "../session/heartbeats.js";
import type { SessionMemory } from "../session/sessionMemory.js";

/**
 * Size of the zeros that replies for holes use repeatedly. They are pages of our own: the kernel's zero page
 * (pte_special) needs the slow path to user memory, which fails when the process is killed.
 */
const ZERO_BYTES = 64 * KIB;

export const clock = { nowMs: () => Date.now() };

export interface ThreadParts {
  readonly mapping: MemoryMapping;
  readonly geometry: Geometry;
  readonly shared: PoolShared;
  readonly session: SessionMemory;
  readonly channelFd: number;
  readonly readOnly: boolean;
  readonly atomicWrites: boolean;
  /** What the kernel reads and writes by itself; 0 where all data is served. */
  readonly backingId: number;
  /** Memory of the pool that was lost; null where that kills the server. */
  readonly faults: Faults | null;
  /** Number of this thread; 0 is the server's main thread where it keeps house. */
  readonly thread: number;
}

export interface ThreadStack {
  readonly faults: Faults | null;
  readonly beat: Heartbeat;
  readonly fileSystem: FileSystem;
  readonly channel: Pick<FuseChannel, "read" | "writev" | "isReadable" | "setBlocking">;
  readonly requestAddress: number;
  readonly requestBytes: number;
  readonly iovecAddress: number;
  readonly iovecs: IovecList;
  readonly isLocked: boolean;
}

export function composeThread(parts: ThreadParts): ThreadStack {
  const buffers = composeExchange();
  const fileSystem = new FileSystem({
    file: parts.backingId === 0 ? composeServed(parts) : composeDirect(parts),
    attributes: new Attributes(parts.session.attributeDoubles),
    exchange: buffers.exchange,
    clock,
    readOnly: parts.readOnly,
    isVolatile: parts.mapping.backing.path === null,
    backingId: parts.backingId,
  });
  const beat = new Heartbeat(parts.session.heartbeatWords, parts.thread);
  return { fileSystem, channel: new FuseChannel(parts.channelFd), faults: parts.faults, beat, ...buffers };
}

function composeServed(parts: ThreadParts): DiskFile {
  const { geometry, shared, thread, session } = parts;
  const memory = attachMemory(parts.mapping, parts.faults !== null);
  return new ServedFile({
    pool: new Pool({ memory, geometry, shared, persistentWords: session.persistentWords, thread }),
    readOnly: parts.readOnly,
    atomicWrites: parts.atomicWrites,
    zeroAddress: allocateBuffer(ZERO_BYTES).address,
    zeroBytes: ZERO_BYTES,
    traffic: new Traffic(session.trafficSlots, thread, clock),
  });
}

/** @param parts of a thread, or of a server's main thread */
export function composeDirect(
  parts: Omit<ThreadParts, "channelFd" | "backingId" | "atomicWrites" | "faults">,
): DirectFile {
  const { geometry, shared, thread, session, mapping } = parts;
  return new DirectFile({
    memory: attachMemory(mapping),
    data: new LinuxDataFile(mapping.backing.dataFd),
    geometry,
    persistentWords: session.persistentWords,
    control: shared.control,
    traffic: new Traffic(session.trafficSlots, thread, clock),
    readOnly: parts.readOnly,
  });
}
