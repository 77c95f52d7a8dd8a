/** Builds what `status` shows from the session's memory, the pool's facts and /proc. */
import { join } from "node:path";
import { PAGE_BYTES } from "../../base/units.js";
import { trafficTotals } from "../../blockfile/traffic.js";
import { heldPages } from "../../linux/backing/backing.js";
import { nodeOfPool } from "../../linux/backing/poolNode.js";
import { readMounts } from "../../linux/proc/mounts.js";
import type { OpenedPool } from "../../media/readSuperblock.js";
import type { MountOptions } from "../../mounts/options.js";
import type { MountStatus } from "../../mounts/status.js";
import { Account } from "../../pool/account.js";
import { formatUuid, labelBytes } from "../../pool/superblock.js";
import type { SessionMemory } from "../session/sessionMemory.js";
import type { ServingFacts } from "./sessionRecord.js";

export interface StatusParts {
  readonly options: MountOptions;
  /** Where the session is mounted now, and `MAJ:MIN` of that. */
  readonly directory: string;
  readonly device: string | null;
  readonly loopDevices: readonly string[];
  readonly pool: OpenedPool;
  readonly memory: SessionMemory;
  readonly serverPid: number | null;
  readonly facts: ServingFacts;
  readonly givenUp: string | null;
}

/** True since `mount -o remount,ro`, of which the kernel tells nobody. */
function isMountedReadOnly(directory: string, device: string | null): boolean {
  const ours = readMounts().find(({ mountpoint, majorMinor }) => mountpoint === directory && majorMinor === device);
  return ours?.options.split(",").includes("ro") ?? false;
}

export function buildStatus(parts: StatusParts): MountStatus {
  const { options, memory, facts, device } = parts;
  const { backing, superblock } = parts.pool;
  const { geometry } = superblock;
  const account = new Account(memory.persistentWords, geometry.dataPages);
  const isDirect = facts.io === "direct";
  // What the kernel maps by itself only the backing knows.
  if (isDirect) account.observe(heldPages(backing.dataFd), heldPages(backing.metaFd));
  const traffic = trafficTotals(memory.trafficSlots);
  const pages = (count: number) => count * PAGE_BYTES;
  return {
    mountpoint: options.mountpoint,
    file: join(parts.directory, "disk"),
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
    readOnly: options.readOnly || facts.damage !== null || isMountedReadOnly(parts.directory, device),
    atomicWrites: options.atomicWrites,
    pageSizeBytes: PAGE_BYTES,
    sizeBytes: pages(account.blocks),
    maxSizeBytes: pages(geometry.maxBlocks),
    poolBytes: pages(geometry.pageCount),
    metadataBytes: pages(account.metadata),
    usedBytes: pages(account.used),
    limboBytes: pages(account.limbo),
    freeBytes: pages(account.free),
    stockBytes: pages(account.stock),
    peakBytes: pages(account.peak),
    limitBytes: pages(geometry.pageCount),
    discardedBytesTotal: traffic.discardedBytes,
    readBytesTotal: isDirect ? null : traffic.readBytes,
    writtenBytesTotal: isDirect ? null : traffic.writtenBytes,
    serverPid: parts.serverPid,
    holderPid: process.pid,
    givenUp: parts.givenUp,
    loopDevices: parts.loopDevices,
  };
}
