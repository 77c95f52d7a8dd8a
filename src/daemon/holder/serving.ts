/**
 * One session and its servers, as the holder sees them: starts servers on the
 * session's fds, and keeps what they report, which outlives each of them.
 */
import { UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import { closeFuseBacking, isSessionOver } from "../../linux/fuse/fuseDevice.js";
import type { SharedMemory } from "../../linux/process/sharedMemory.js";
import type { OpenedPool } from "../../media/readSuperblock.js";
import type { MountOptions } from "../../mounts/options.js";
import { Heartbeats } from "../session/heartbeats.js";
import { type DirectConfig, viewSession, writeConfig } from "../session/sessionMemory.js";
import { ServerKeeper } from "./serverKeeper.js";
import { inheritance, type ServerListener, type ServerProcess, type ServerStart } from "./serverProcess.js";
import { type Session, whyLast } from "./session.js";
import type { SessionRecord } from "./sessionRecord.js";

/** What the servers have reported. */
export type ServingFacts = Pick<SessionRecord, "io" | "ioReason" | "wasUnclean" | "damage" | "refused" | "restarts"> & {
  /** Why the last server before the first of this session is gone. */
  readonly lastDeath: string | null;
};

/** Starts servers: processes of this program, or fakes in tests. */
export interface ServerSource {
  start(start: ServerStart, listener: ServerListener): ServerProcess;
  /** For people: the file without which none can be started; null when all are there. */
  missingProgram(): string | null;
}

export interface ServingParts {
  readonly source: ServerSource;
  readonly options: MountOptions;
  readonly log: Log;
  readonly memory: SharedMemory & { readonly fd: number };
  readonly pool: OpenedPool;
  /** What was found out is to be noted. */
  noteFacts(): void;
  /** Called when a server serves. */
  served(pid: number): void;
}

export class Serving {
  /** Null until a server has reported it. */
  io: "served" | "direct" | null;
  ioReason: string | null;
  wasUnclean: boolean;
  damage: string | null;
  refused: readonly string[];
  keeper: ServerKeeper | null = null;

  constructor(
    readonly session: Session,
    readonly parts: ServingParts,
    private readonly before: ServingFacts,
  ) {
    this.io = before.io;
    this.ioReason = before.ioReason;
    this.wasUnclean = before.wasUnclean;
    this.damage = before.damage;
    this.refused = before.refused;
  }

  get facts(): ServingFacts {
    const { io, ioReason, wasUnclean, damage, refused, keeper, before } = this;
    const { restarts, lastDeath } = keeper ?? before;
    return { io, ioReason, wasUnclean, damage, refused, restarts, lastDeath };
  }

  /** Starts the first server. @param wasServed servers of a holder before us served this session */
  begin(wasServed: boolean): ServerKeeper {
    const { options, log, memory, source } = this.parts;
    const { session } = this;
    const keeper = new ServerKeeper({
      launch: (isRestart, standby) => this.launch(isRestart, standby),
      whyLast: () => whyLast(session),
      missingProgram: () => source.missingProgram(),
      isOver: () => isSessionOver(session.channelFds[0]),
      wasServed,
      beats: new Heartbeats(viewSession(memory.bytes).heartbeatWords),
      mostDeaths: options.restarts,
      hangMs: options.watchdogSeconds * 1000,
      log,
      mountpoint: options.mountpoint,
    });
    keeper.restarts = this.before.restarts;
    keeper.lastDeath = this.before.lastDeath;
    this.keeper = keeper;
    return keeper;
  }

  /** Returns when the first server serves. @throws UserError when none will */
  async untilReady(keeper: ServerKeeper, keepsUnclean: boolean): Promise<void> {
    try {
      const { refused, io, ioReason, wasUnclean } = await keeper.ready;
      if (!keepsUnclean) this.wasUnclean = wasUnclean;
      this.refused = [...new Set([...this.refused, ...refused])];
      this.io = io;
      const { passthrough, channelFds } = this.session;
      // Nothing will ever be opened with it.
      if (io === "served" && passthrough.kind === "registered") {
        closeFuseBacking(channelFds[0], passthrough.backingId);
      }
      this.ioReason ??= ioReason;
    } catch (error) {
      const { backing } = this.parts.pool;
      const path = backing.path ?? backing.kind;
      const { what, reason, options } = error as UserError;
      const why = [path, "pool", "server"].includes(what) ? reason : `${what}: ${reason}`;
      const cure = backing.path === null ? {} : { cure: `kmemfs check ${path}` };
      throw new UserError(path, `cannot be mounted: ${why}`, { ...cure, ...options });
    }
  }

  private launch(isRestart: boolean, standby: boolean): ServerProcess {
    const { options, log, memory, pool, noteFacts, served } = this.parts;
    const { readOnly, atomicWrites, mountpoint } = options;
    const { fds, ...facts } = inheritance(pool.backing, this.session.channelFds);
    const { geometry } = pool.superblock;
    writeConfig(memory.bytes, { ...facts, geometry, isRestart, readOnly, atomicWrites, direct: this.directFacts() });
    const server = this.parts.source.start(
      { memoryFd: memory.fd, furtherFds: fds, standby },
      {
        warning: (message) => log.warn({ mountpoint }, message),
        damage: (message) => {
          if (this.damage === message) return;
          this.damage = message;
          noteFacts();
          log.error({ mountpoint }, `the pool is damaged, and the mount is now read-only: ${message}`);
        },
      },
    );
    server.ready.then(
      () => served(server.pid),
      () => {},
    );
    return server;
  }

  /** What is open the one way cannot go on the other. */
  private directFacts(): DirectConfig | null {
    const { passthrough } = this.session;
    if (passthrough.kind === "unavailable" || this.io === "served") return null;
    return { backingId: passthrough.backingId, only: this.parts.options.io === "direct" };
  }
}
