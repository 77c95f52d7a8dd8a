/** A mount as its holder finds it at the start: begun here, or gone on with after the death of another holder. */
import type { NameLock } from "../../linux/process/nameLock.js";
import type { SharedMemory } from "../../linux/process/sharedMemory.js";
import type { OpenedPool } from "../../media/readSuperblock.js";
import type { MountOptions } from "../../mounts/options.js";
import type { Service } from "./service.js";
import type { Session } from "./session.js";
import type { ServingFacts, SessionFds, SessionRecord } from "./sessionRecord.js";

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
