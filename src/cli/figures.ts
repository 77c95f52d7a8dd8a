/** The memory of a disk at one moment, in three comparable figures. */
import { setTimeout as sleep } from "node:timers/promises";
import { MIB } from "../base/units.js";
import { machineMemory, perCpuFreeBytes } from "../linux/proc/proc.js";
import { findMount } from "../mounts/client.js";
import type { MountStatus } from "../mounts/status.js";
import type { Column } from "./print.js";
import { formatBytes } from "./sizes.js";

export interface Figures {
  /** The file's mapped blocks. */
  readonly fileBytes: number;
  /** The memory that the pool holds, including metadata and limbo. */
  readonly poolBytes: number;
  /** The machine's MemAvailable, plus memory freed so recently that it is not counted there yet. */
  readonly availableBytes: number;
}

/** Freed memory is back with the machine within this time of the discard. */
const SETTLE_MS = 1_000;
const POLL_MS = 25;

export const FIGURE_COLUMNS: readonly Column[] = [
  { title: "FILE HOLDS", right: true, minWidth: 10 },
  { title: "POOL USES", right: true, minWidth: 10 },
  { title: "MACHINE AVAILABLE", right: true, minWidth: 17 },
];

export function figureCells(figures: Figures): string[] {
  // Always MiB: in GiB the machine's figure would hide what the disk changes.
  const available = `${(figures.availableBytes / MIB).toFixed(1)} MiB`;
  return [formatBytes(figures.fileBytes), formatBytes(figures.poolBytes), available];
}

function availableBytes(): number {
  return machineMemory().availableBytes + perCpuFreeBytes();
}

export function figuresOf(status: MountStatus): Figures {
  return {
    fileBytes: status.usedBytes,
    poolBytes: status.usedBytes + status.metadataBytes + status.limboBytes + status.stockBytes,
    availableBytes: availableBytes(),
  };
}

export const NO_DISK = (): Figures => ({ fileBytes: 0, poolBytes: 0, availableBytes: availableBytes() });

/** The figures of the disk called `mountpoint`, after discarded pages have left limbo. */
export async function readFigures(mountpoint: string): Promise<Figures> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const status = await findMount(mountpoint);
    if (status === null) return NO_DISK();
    if (status.limboBytes === 0 || Date.now() > deadline) return figuresOf(status);
    await sleep(POLL_MS);
  }
}
