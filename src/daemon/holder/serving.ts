/**
 * One session and its servers, as the holder sees them: starts servers on the
 * session's fds, and keeps what they report, which outlives each of them.
 */
import { UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import { closeFuseBacking, isSessionOver } from "../../linux/fuse/fuseDevice.js";
import { Heartbeats } from "../session/heartbeats.js";
import { type DirectConfig, viewSession, writeConfig } from "../session/sessionMemory.js";
import type { Mount } from "./openMount.js";
import { ServerKeeper } from "./serverKeeper.js";
import { inheritance, type ServerListener, type ServerProcess, type ServerStart } from "./serverProcess.js";
import { type Session, whyLast } from "./session.js";
import type { ServingFacts } from "./sessionRecord.js";

/** Starts servers: processes of this program, or fakes in tests. */
export interface ServerSource {
  start(start: ServerStart, listener: ServerListener): ServerProcess;
  /** For people: the file without which none can be started; null when all are there. */
  missingProgram(): string | null;
}

export interface ServingParts extends Pick<Mount, "options" | "memory" | "pool"> {
  readonly source: ServerSource;
  readonly log: Log;
  /** What was found out is to be noted. */
  noteFacts(): void;
  /** Called when a server serves. */
  served(pid: number): void;
}

export class Serving {
  keeper: ServerKeeper | null = null;

  constructor(
    readonly session: Session,
    readonly parts: ServingParts,
    private found: ServingFacts,
  ) {}

  get facts(): ServingFacts {
    const { restarts, lastDeath } = this.keeper ?? this.found;
    return { ...this.found, restarts, lastDeath };
  }

  /**
   * Starts the first server, and returns when it serves.
   * @param wasServed servers of a holder before us served this session
   * @throws UserError when none will
   */
  async begin(wasServed: boolean): Promise<void> {
    const { options, log, memory, source, pool } = this.parts;
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
    keeper.restarts = this.found.restarts;
    keeper.lastDeath = this.found.lastDeath;
    this.keeper = keeper;
    try {
      const { refused, io, ioReason, wasUnclean } = await keeper.ready;
      const { found } = this;
      this.found = {
        ...found,
        io,
        ioReason: found.ioReason ?? ioReason,
        wasUnclean: wasServed ? found.wasUnclean : wasUnclean,
        refused: [...new Set([...found.refused, ...refused])],
      };
      const { passthrough, channelFds } = session;
      // Nothing will ever be opened with it.
      if (io === "served" && passthrough.kind === "registered") {
        closeFuseBacking(channelFds[0], passthrough.backingId);
      }
    } catch (error) {
      const { backing } = pool;
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
          if (this.found.damage === message) return;
          this.found = { ...this.found, damage: message };
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
    if (passthrough.kind === "unavailable" || this.found.io === "served") return null;
    return { backingId: passthrough.backingId, only: this.parts.options.io === "direct" };
  }
}
