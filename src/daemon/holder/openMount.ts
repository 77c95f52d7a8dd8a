/** Acquires the parts of a mount in order: its name, the pool, the session. */
import { closeBacking } from "../../linux/backing/backing.js";
import { prepareIoProcess } from "../../linux/process/ioProcess.js";
import type { NameLock } from "../../linux/process/nameLock.js";
import { type SharedMemory, sharedMemory } from "../../linux/process/sharedMemory.js";
import { openPool } from "../../media/openPool.js";
import type { OpenedPool } from "../../media/readSuperblock.js";
import { takeName } from "../../mounts/mountName.js";
import type { MountOptions } from "../../mounts/options.js";
import { makePrivateDirectory, removePrivateDirectory, removeQuietly } from "../../mounts/stateDirectory.js";
import { initAttributes, SESSION_BYTES } from "../session/sessionMemory.js";
import { obstacleOf } from "./ioMode.js";
import type { Service } from "./service.js";
import { openSession, type Session } from "./session.js";
import type { ServingFacts, SessionFds, SessionRecord } from "./sessionRecord.js";

/** A mount as its holder finds it at the start: begun here, or gone on with after the death of another holder. */
export interface Mount {
  readonly options: MountOptions;
  readonly name: NameLock;
  readonly memory: SharedMemory & { readonly fd: number };
  readonly pool: OpenedPool;
  readonly session: Session;
  readonly facts: ServingFacts;
  /** For people: why its servers were given up; null while there is a session to serve. */
  readonly givenUp: string | null;
  /**
   * Others use it already: what goes wrong at the start must not end it, nor may a signal, and
   * its servers are successors of those that served it before.
   */
  readonly isInUse: boolean;
  /** Has the service manager keep what the next holder needs. */
  store(service: Service, fds: SessionFds, record: SessionRecord): Promise<void>;
}

/** Mounts. @throws UserError; nothing is left behind then */
export function beginMount(options: MountOptions): Mount {
  const memory = sharedMemory(SESSION_BYTES);
  initAttributes(memory.bytes, options);
  const name = takeName(options.mountpoint);
  let pool: OpenedPool | null = null;
  try {
    const { refused } = prepareIoProcess();
    makePrivateDirectory(options.fuseDirectory);
    pool = openPool(options);
    const { kind, durable } = pool.backing;
    if (kind === "devdax" && !durable) {
      refused.push("PMEM: no libpmem.so.1, so flushed data may be lost in a power cut");
    }
    if (pool.isScattered === true) refused.push("NUMA_MOVE: existing pages of the pool stay on another node");
    const session = openSession(options, pool.backing, obstacleOf(options, pool));
    const { passthrough } = session;
    const facts = {
      io: null,
      // As far as is known before a server has looked at the pool.
      ioReason: passthrough.kind === "unavailable" ? passthrough.reason : null,
      wasUnclean: false,
      damage: null,
      refused,
      restarts: 0,
      lastDeath: null,
    };
    const store: Mount["store"] = (service, fds, record) => service.keep(fds, record);
    return { options, name, memory, pool, session, facts, givenUp: null, isInUse: false, store };
  } catch (error) {
    if (pool !== null) closeOpenedPool(pool, true);
    giveName(name, options);
    throw error;
  }
}

/** @param failed removes a pool that was created for this mount, before another process can lock it */
export function closeOpenedPool(pool: OpenedPool, failed: boolean): void {
  const { createdPath, backing } = pool;
  if (failed && createdPath !== undefined) removeQuietly(createdPath);
  closeBacking(backing);
}

/** Done last: until then no other holder can mount here. */
export function giveName(name: NameLock, options: MountOptions): void {
  removePrivateDirectory(options.fuseDirectory);
  name.release();
}
