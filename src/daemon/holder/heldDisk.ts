/**
 * What a holder holds: the name, the pool, and the session with its servers; or only
 * the pool, when the servers were given up. Answers status requests.
 */
import { join } from "node:path";
import { UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import { bytesToPagesFloor, PAGE_BYTES, pagesToBytes } from "../../base/units.js";
import { trafficTotals } from "../../blockfile/traffic.js";
import { OwnLoops } from "../../disk/ownLoops.js";
import { heldPages } from "../../linux/backing/backing.js";
import { nodeOfPool } from "../../linux/backing/poolNode.js";
import { isSessionOver } from "../../linux/fuse/fuseDevice.js";
import { readMounts } from "../../linux/proc/mounts.js";
import { anonymousBytes } from "../../linux/proc/proc.js";
import { quote } from "../../mounts/paths.js";
import type { MountStatus } from "../../mounts/status.js";
import { Account } from "../../pool/account.js";
import { allowShrink } from "../../pool/persistentState.js";
import { formatUuid, labelBytes } from "../../pool/superblock.js";
import { viewSession } from "../session/sessionMemory.js";
import type { Sight } from "./diskSight.js";
import { endServing, GivenUp, serveAgain } from "./givenUp.js";
import type { Mount } from "./openMount.js";
import { describeEnd, type ServerEnd } from "./serverProcess.js";
import type { Service } from "./service.js";
import { type ServerSource, Serving } from "./serving.js";
import { deviceNow, directoryNow, isOver, type Session } from "./session.js";
import type { SessionFds, SessionRecord } from "./sessionRecord.js";

export interface HeldParts extends Pick<Mount, "options" | "memory" | "name" | "pool"> {
  readonly log: Log;
  readonly service: Service;
  readonly source: ServerSource;
}

export class HeldDisk {
  serving: Serving;
  /** null while there is a session. */
  givenUp: GivenUp | null;
  /** It has started: others may be told of it. */
  isReady = false;
  private readonly ownLoops = new OwnLoops();

  constructor(
    readonly parts: HeldParts,
    { session, facts, givenUp }: Pick<Mount, "session" | "facts" | "givenUp">,
  ) {
    const told = { noteFacts: () => this.note(), served: (pid: number) => this.tellOfServer(pid) };
    this.serving = new Serving(session, { ...parts, ...told }, facts);
    this.givenUp = givenUp === null ? null : new GivenUp(givenUp);
  }

  /** There is no server for a reason outside the holder: no session, or no program. */
  get isIdle(): boolean {
    return this.givenUp !== null || this.waitsForProgram;
  }

  get waitsForProgram(): boolean {
    return (this.serving.keeper?.waitsFor ?? null) !== null;
  }

  fds(): SessionFds {
    const { memory, name, pool } = this.parts;
    const { channelFds } = this.serving.session;
    return { memoryFd: memory.fd, nameFd: name.fd, backing: pool.backing, channelFds };
  }

  record(): SessionRecord {
    const { options, pool } = this.parts;
    const givenUp = this.givenUp?.reason ?? null;
    const { session, facts } = this.serving;
    const kept = givenUp === null ? session : { ...session, channelFds: [] };
    return { ...facts, options, backing: pool.backing, session: kept, givenUp };
  }

  /** For the next holder. */
  note(): void {
    this.parts.service.note(this.record());
  }

  /** For the service manager. */
  summary(serverPid: number | null): string {
    const { io, restarts } = this.serving.facts;
    if (this.givenUp !== null) return "STATUS=given up; the pool is kept";
    return `STATUS=${io}, server ${serverPid ?? "(starting)"}, ${restarts} restarts`;
  }

  async status(): Promise<MountStatus> {
    return (await this.look()).status;
  }

  /** After release its fds must not be used: they may be another file's by then. */
  isLetGo = false;

  /** @throws UserError after release */
  async look(): Promise<Sight> {
    const { session } = this.serving;
    const device = deviceNow(session);
    const { sure, unsure } = await this.ownLoops.on(device, isOver(session));
    if (this.isLetGo) throw new UserError(this.parts.options.mountpoint, "it has ended", { code: "ENOTCONN" });
    const loopDevices = [...sure, ...unsure].map((loop) => loop.path);
    return { status: this.statusWith(session, device, loopDevices), loops: sure };
  }

  private statusWith(session: Session, device: string | null, loopDevices: readonly string[]): MountStatus {
    const { facts, keeper } = this.serving;
    const { options, pool } = this.parts;
    const { backing, superblock } = pool;
    const { geometry } = superblock;
    const directory = directoryNow(session);
    const memory = viewSession(this.parts.memory.bytes);
    const account = new Account(memory.persistentWords, geometry.dataPages);
    const isDirect = facts.io === "direct";
    // What the kernel maps by itself only the backing knows.
    if (isDirect) account.reset(heldPages(backing.dataFd), heldPages(backing.metaFd));
    const traffic = trafficTotals(memory.trafficSlots);
    return {
      mountpoint: options.mountpoint,
      file: join(directory, "disk"),
      device,
      ...facts,
      io: facts.io ?? "served",
      pool: {
        kind: backing.kind,
        path: backing.path,
        durable: backing.durable,
        layout: backing.layout,
        uuid: formatUuid(superblock.uuid),
        label: new TextDecoder().decode(labelBytes(superblock.label)),
        numaNode: nodeOfPool(backing),
      },
      readOnly: options.readOnly || facts.damage !== null || isMountedReadOnly(directory, device),
      atomicWrites: options.atomicWrites,
      pageSizeBytes: PAGE_BYTES,
      sizeBytes: pagesToBytes(account.blocks),
      maxSizeBytes: pagesToBytes(geometry.maxBlocks),
      poolBytes: pagesToBytes(geometry.pageCount),
      metadataBytes: pagesToBytes(account.metadata),
      usedBytes: pagesToBytes(account.used),
      limboBytes: pagesToBytes(account.limbo),
      freeBytes: pagesToBytes(account.free),
      stockBytes: pagesToBytes(account.stock),
      peakBytes: pagesToBytes(account.peak),
      limitBytes: pagesToBytes(geometry.pageCount),
      ownBytes: [process.pid, ...(keeper?.pids ?? [])].reduce((bytes, pid) => bytes + anonymousBytes(pid), 0),
      discardedBytesTotal: traffic.discardedBytes,
      readBytesTotal: isDirect ? null : traffic.readBytes,
      writtenBytesTotal: isDirect ? null : traffic.writtenBytes,
      serverPid: keeper?.pid ?? null,
      holderPid: process.pid,
      givenUp: this.givenUp?.reason ?? null,
      loopDevices,
    };
  }

  /** True when an unwanted `end` of the servers would lose the pool with the holder. */
  wouldLose({ closed, unclosed }: ServerEnd): boolean {
    if (closed || unclosed || this.parts.pool.backing.path !== null) return false;
    return !isSessionOver(this.serving.session.channelFds[0]);
  }

  /** Gives the servers up: callers get errors from now on, and the pool is kept. */
  async giveUp(end: ServerEnd): Promise<GivenUp> {
    const { log, options, service } = this.parts;
    const { mountpoint } = options;
    const reason = `the server ${describeEnd(end)}`;
    const { keeper } = this.serving;
    if (keeper !== null) keeper.lastDeath = describeEnd(end);
    const givenUp = new GivenUp(reason);
    this.givenUp = givenUp;
    // Before the session is over: a holder that follows us takes one that is over for unmounted.
    this.note();
    const cure = `kmemfs recover --up ${quote(mountpoint)}, or kmemfs down to discard it`;
    log.error({ mountpoint, ...end, cure }, `${reason}; the mount ends, but its pool is kept`);
    await givenUp.alone("give up", async () => {
      this.serving = await endServing(this.serving, service);
    });
    await service.tell(this.summary(null));
    return givenUp;
  }

  /** Has it served again. @throws UserError; it stays given up then */
  async bringBack(): Promise<MountStatus> {
    const { log, options, service } = this.parts;
    const { mountpoint } = options;
    const { givenUp } = this;
    const what = `recover ${mountpoint}`;
    if (givenUp === null)
      throw new UserError(what, "it is already being served", { code: "EEXIST", cure: "kmemfs status" });
    await givenUp.alone(what, () => this.serveAgain());
    givenUp.isBack();
    const pid = this.serving.keeper?.pid ?? null;
    log.info({ mountpoint, serverPid: pid }, "brought back with the pool that was kept");
    await service.tell(this.summary(pid));
    return this.status();
  }

  private async serveAgain(): Promise<void> {
    const { service } = this.parts;
    const dead = this.serving;
    try {
      await serveAgain(dead, service, (serving) => {
        this.serving = serving;
      });
    } catch (error) {
      this.serving.keeper?.abandon();
      await this.serving.keeper?.ended;
      if (this.serving !== dead) await endServing(this.serving, service);
      this.serving = dead;
      throw error;
    }
    this.givenUp = null;
    this.note();
  }

  private tellOfServer(pid: number): void {
    if (!this.isReady || this.givenUp !== null) return;
    this.note();
    void this.parts.service.tell(this.summary(pid));
  }
}

/** True since `mount -o remount,ro`, of which the kernel tells nobody. */
function isMountedReadOnly(directory: string, device: string | null): boolean {
  const ours = readMounts().find(({ mountpoint, majorMinor }) => mountpoint === directory && majorMinor === device);
  return ours?.options.split(",").includes("ro") ?? false;
}

/** In the holder, which never touches its own mount. @throws UserError for what cannot be a size */
export function letShrink(persistentWords: Int32Array, sizeBytes: number | null): void {
  if (
    sizeBytes !== null &&
    (!Number.isSafeInteger(sizeBytes) || sizeBytes < PAGE_BYTES || sizeBytes % PAGE_BYTES > 0)
  ) {
    throw new UserError("resize", `${sizeBytes} bytes is not a multiple of ${PAGE_BYTES}`, { code: "EINVAL" });
  }
  allowShrink(persistentWords, sizeBytes === null ? 0 : bytesToPagesFloor(sizeBytes));
}
