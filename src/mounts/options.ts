/**
 * What a mount was asked for: parsed once by `cli/`, frozen, validated.
 * Below this nobody parses strings. It is JSON: the holder gets it as text.
 */
import type { OptionFields } from "./optionTable.js";

export type PoolSource =
  | { readonly kind: "tmpfs" }
  | { readonly kind: "memfd" }
  | { readonly kind: "path"; readonly path: string };

export interface MountOptions extends OptionFields {
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
