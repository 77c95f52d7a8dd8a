/**
 * Keeps the record of a disk up to date with its loop devices and memory. When all of its
 * processes are killed at once and its mounts end with their namespace, only the record
 * tells which disk a loop device belongs to and how much memory it holds.
 */
import { MIB } from "../../base/units.js";
import type { LoopNodes } from "../../linux/proc/loopDevices.js";
import { readLink } from "../../linux/proc/procFile.js";
import { startTicksOf } from "../../linux/proc/standstill.js";
import { type SeenDisk, writeMountRecord } from "../../mounts/mountRecord.js";
import type { MountOptions } from "../../mounts/options.js";
import type { MountStatus } from "../../mounts/status.js";

const PERIOD_MS = 10_000;
/** The held memory is recorded in steps of this size. */
const STEP_BYTES = 16 * MIB;

/** As /proc shows it, which may be of another pid namespace than ours. */
const OWN_PID = Number(readLink("/proc/self") ?? process.pid);

export interface Sight {
  readonly status: MountStatus;
  /** The loop devices that are surely on its file: by what is written down others are told apart. */
  readonly loops: readonly Pick<LoopNodes, "path" | "diskSeq">[];
}

export class DiskSight {
  private readonly holder = { pid: OWN_PID, startTicks: startTicksOf(OWN_PID) ?? "" };
  /** What is written down, as far as a change of it is worth writing. */
  private written = "";
  private isClosed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: MountOptions) {}

  /** Looks every ten seconds; `kmemfs up` asks for the status once its loop device is there. */
  watch(look: () => Promise<Sight>): void {
    const see = async (): Promise<void> => {
      this.note(await look());
    };
    // One that fails is followed by another.
    this.timer = setInterval(() => void see().catch(() => {}), PERIOD_MS).unref();
  }

  /** Nothing is noted any more, also of a look that has begun. */
  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
  }

  /** @returns the same status */
  note({ status, loops }: Sight): MountStatus {
    const seen: SeenDisk = {
      device: status.device,
      loops: loops.map(({ path, diskSeq }) => ({ path, diskSeq })),
      heldBytes: status.usedBytes + status.metadataBytes + status.limboBytes + status.stockBytes,
    };
    const worth = JSON.stringify({ ...seen, heldBytes: Math.round(seen.heldBytes / STEP_BYTES) });
    if (this.isClosed || this.written === worth) return status;
    this.written = worth;
    writeMountRecord({ ...this.options, holder: this.holder, seen });
    return status;
  }
}
