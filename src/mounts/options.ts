/**
 * What a mount was asked for: parsed once by `cli/`, frozen, validated.
 * Below this nobody parses strings. It is JSON: the holder gets it as text.
 */
export type PoolSource =
  | { readonly kind: "tmpfs" }
  | { readonly kind: "memfd" }
  | { readonly kind: "path"; readonly path: string };

export type IoMode = "auto" | "served" | "direct";

export interface MountOptions {
  readonly pool: PoolSource;
  /**
   * What mountinfo shows as the source: the word that the pool was named by, so that mount(8) knows
   * its line of fstab again. Begins with `/` only where it is the pool's path. Absent in older records.
   */
  readonly source?: string;
  /** The name the user calls this disk by: the FUSE mount point, or for `up` the file system's mount point. Absolute. */
  readonly mountpoint: string;
  /** Directory that FUSE is mounted on; equals `mountpoint` but for `up`. Absolute. */
  readonly fuseDirectory: string;
  /** Size of the file `disk`, bytes; absent: as the pool says, or as `defaultSizeBytes`. */
  readonly sizeBytes?: number;
  readonly maxSizeBytes?: number;
  readonly poolSizeBytes?: number;
  /** The NUMA node that the pool's memory is bound to. */
  readonly numaNode?: number;
  /** Create and format a pool path that does not exist yet. */
  readonly create: boolean;
  readonly readOnly: boolean;
  readonly io: IoMode;
  /** A block is old or new as a whole, also after a crash. */
  readonly atomicWrites: boolean;
  /** Refuse a pool that a power cut would take away. */
  readonly durable: boolean;
  /** Serving threads; absent: chosen by the number of CPUs. */
  readonly workers?: number;
  /** Deaths of the server within a minute after which the mount ends. */
  readonly restarts: number;
  /** Another server stands by, for about as much memory as one takes. */
  readonly spare: boolean;
  /** A server that does nothing for so long is taken for hung; 0: it is not watched. */
  readonly watchdogSeconds: number;
  /** Owner and permission bits of the file `disk`; absent: whoever mounts, and nobody else. */
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
  readonly allowOther: boolean;
  readonly debug: boolean;
  /** True when the holder stays in the foreground and logs to stderr. */
  readonly foreground: boolean;
}

/** Where a mount goes; both absolute. They differ only for `up`. */
export type MountPlace = Pick<MountOptions, "mountpoint" | "fuseDirectory">;

/**
 * The options that somebody asks for, read when they are needed: of a session
 * that goes on they do not count, and what is wrong with them must not end it.
 * @param goesOn it is mounted already: nothing may ask it before a server is back
 * @throws UserError
 */
export type AskedOptions = (goesOn: boolean) => MountOptions;
