/** One mount as `kmemfs status -J` prints it; the names are a contract. */
export interface MountStatus {
  /** What the user calls the disk. */
  readonly mountpoint: string;
  /** Absolute path of the file `disk`. */
  readonly file: string;
  /** `MAJ:MIN` of the FUSE mount, as in mountinfo; null where /proc does not tell. */
  readonly device: string | null;
  readonly io: "served" | "direct";
  /** Why not direct; null when direct. */
  readonly ioReason: string | null;
  readonly pool: {
    readonly kind: "tmpfs" | "memfd" | "file" | "hugetlbfs" | "fsdax" | "devdax";
    /** null for a pool that no directory shows. */
    readonly path: string | null;
    readonly durable: boolean;
    readonly layout: "single" | "split";
    readonly uuid: string;
    readonly label: string;
    /** The NUMA node of its memory; null where that is not one known node. */
    readonly numaNode: number | null;
  };
  /** Asked for, since damage was found, or since it was remounted. */
  readonly readOnly: boolean;
  readonly atomicWrites: boolean;
  /** The pool had not been closed before this mount. */
  readonly wasUnclean: boolean;
  /** What is wrong with the pool; null for nothing known. */
  readonly damage: string | null;
  readonly pageSizeBytes: number;
  /** Size of the file. */
  readonly sizeBytes: number;
  readonly maxSizeBytes: number;
  /** All pages of the pool, metadata and data. */
  readonly poolBytes: number;
  /** Metadata that holds memory now. */
  readonly metadataBytes: number;
  readonly usedBytes: number;
  readonly limboBytes: number;
  readonly freeBytes: number;
  /** Held by the backing but free, where it gives memory back in larger grains. */
  readonly stockBytes: number;
  readonly peakBytes: number;
  readonly limitBytes: number;
  /** What kmemfs itself takes: memory of the holder, the server and the spare that is no file's and no pool's (RssAnon). */
  readonly ownBytes: number;
  readonly discardedBytesTotal: number;
  /** null when direct: the kernel reads and writes without telling. */
  readonly readBytesTotal: number | null;
  readonly writtenBytesTotal: number | null;
  /** null while no server runs. */
  readonly serverPid: number | null;
  readonly holderPid: number;
  /** Servers that took over from one that was gone. */
  readonly restarts: number;
  /** Why the last of those was gone, e.g. `was killed by SIGKILL`; null for none. */
  readonly lastDeath: string | null;
  /** Why servers were given up: callers get errors, and the pool is kept until it is let go. null while it is served. */
  readonly givenUp: string | null;
  /** Paths of the loop devices on the file, e.g. `/dev/loop0`. */
  readonly loopDevices: readonly string[];
  /** What the machine refused the daemon, each with its reason, e.g. `IO_FLUSHER: EPERM`. */
  readonly refused: readonly string[];
}

/** A mount whose holder does not answer, as `kmemfs status -J` prints it; the names are a contract. */
export interface SilentMount {
  /** null where the holder is of an older version, or could not write it down. */
  readonly mountpoint: string | null;
  readonly holderPid: number | null;
  /** Stopped by a signal, frozen with its cgroup; `silent`: asked, and it did not answer in time. */
  readonly state: "stopped" | "frozen" | "silent";
}
