/** Paths of mounts. None of this looks at what is mounted: its server may be dead or stuck. */
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

export const KMEMFS_TYPES: ReadonlySet<string> = new Set(["fuse.kmemfs", "kmemfs"]);

/** An argument as the shell needs it. */
export function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/**
 * `path` absolute, with the symlinks of its parent resolved. The last
 * component stays as it is, so that nothing looks into what is mounted there.
 */
export function absolutePath(path: string, directory: string): string {
  const lexical = resolve(directory, path);
  if (lexical === "/") return lexical;
  try {
    return join(realpathSync.native(dirname(lexical)), basename(lexical));
  } catch {
    return lexical;
  }
}
