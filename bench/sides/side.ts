/** A side of a comparison: kmemfs in one of its ways, or a peer that a user could take instead. */
import { Cleanup } from "../../test/support/cleanup.js";
import type { Load, LoadFigures } from "../fio.js";
import type { Place } from "../place.js";
import { undoOnFailure } from "../undo.js";

/** What a run hands to everything that starts or measures. */
export interface Bench {
  readonly place: Place;
  /** The size of each side's disk, all of which is written before the first row. */
  readonly sizeBytes: number;
  /** How long one load runs. */
  readonly runtimeMs: number;
  readonly signal: AbortSignal;
}

/** How kmemfs' data go: through its workers, or by the kernel alone. */
export type Way = "served" | "direct";

export interface Running {
  /** The file, block device or directory that the rows use. */
  readonly file: string;
  /** `file` is a directory: there is no device. */
  readonly isDirectory?: boolean;
  /** Of a file system on the device, as mount(8) takes them; absent: the usual ones. */
  readonly mountOptions?: readonly string[];
  /** Half of what is written to it can be compressed away; of the others' data nothing can. */
  readonly isCompressible?: boolean;
  /** The processes that do its work in user space, with their descendants. */
  readonly pids: readonly number[];
  /** The bytes of `file` that can be addressed, where they are not the disk's size. */
  readonly addressBytes?: number;
  /** Of kmemfs alone. */
  readonly way?: Way;
  /** Memory that its data take, in bytes. Absent: they are part of the machine's shared memory. */
  dataBytes?(): number;
  /** Runs a load by its own means, not by fio on `file`. */
  load?(load: Load, bench: Bench): Promise<LoadFigures>;
}

export interface Started extends Running {
  /** Ends processes, mounts and loop devices. @throws AggregateError of what could not be undone */
  cleanup(): Promise<void>;
}

export interface Side {
  /** The key in results, e.g. `nbdfuse`. */
  readonly name: string;
  /** For people, e.g. `nbdfuse over nbdkit memory`. */
  readonly title: string;
  /** What kmemfs is compared with. */
  readonly isPeer: boolean;
  /** A peer that nobody would choose: it shows what can be had at the most. */
  readonly isYardstick?: boolean;
  /** Debian's packages, with spaces between, of each command that it takes. */
  readonly needs: Readonly<Record<string, string>>;
  /** The names of the only rows that it can be measured on. Absent: all. */
  readonly onlyRows?: readonly string[];
  start(bench: Bench): Promise<Started>;
}

/** Starts a side in steps, each with its undoing; a failed start leaves nothing behind. */
export async function startInSteps(steps: (undo: Cleanup) => Promise<Running>): Promise<Started> {
  const undo = new Cleanup();
  const running = await undoOnFailure(undo, () => steps(undo));
  return { ...running, cleanup: undo.run };
}
