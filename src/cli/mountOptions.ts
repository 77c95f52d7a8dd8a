/**
 * From the options of a command line or of fstab to one frozen `MountOptions`.
 * Below this nobody parses strings: sizes are whole pages, paths are absolute.
 */
import { resolve } from "node:path";
import type { MountOptions, MountPlace, PoolSource } from "../mounts/options.js";
import { type Invoker, parseFields, type RawOptions } from "./optionTable.js";
import { letsOthersIn } from "./owner.js";
import { wrongUsage } from "./usage.js";

export function currentInvoker(): Invoker {
  const own = { uid: process.geteuid?.() ?? 0, gids: [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])] };
  return { root: own.uid === 0, directory: process.cwd(), own };
}

const PRIVATE_NAMES = new Set(["none", "tmpfs", "kmemfs"]);

/** What the POOL of a command line or of fstab's first field stands for. */
export function parsePool(text: string | undefined, invoker: Invoker): PoolSource {
  // Without root the kernel refuses a private tmpfs (fsopen: EPERM), so the default there is a memfd.
  if (text === undefined) return { kind: invoker.root ? "tmpfs" : "memfd" };
  if (text === "") throw wrongUsage("pool", "the path is empty");
  if (PRIVATE_NAMES.has(text)) return { kind: "tmpfs" };
  if (text === "memfd") return { kind: "memfd" };
  return { kind: "path", path: resolve(invoker.directory, text) };
}

/** @throws UserError for a name that would be taken for the path of a pool */
function sourceOf(text: string | undefined, pool: PoolSource, fsname: string | undefined): string {
  // Where no pool was named it is our own name.
  const source = pool.kind === "path" ? pool.path : (text ?? "kmemfs");
  if (fsname === undefined || fsname === source) return source;
  if (fsname === "") throw wrongUsage("fsname", "the name is empty");
  if (!fsname.startsWith("/")) return fsname;
  throw wrongUsage(
    `fsname ${fsname}`,
    "a name that begins with / would be taken for the path of a pool",
    "a name without a leading /",
  );
}

/** @throws UserError */
function mayOthers(raw: RawOptions, owner: Partial<MountOptions>, { root }: Invoker): boolean {
  // Root and whoever mounts are let in anyway; of a user's mount FUSE keeps root out.
  if (raw.allowRoot === true && !root && raw.allowOther !== true) {
    throw wrongUsage("-o allow_root", "FUSE can admit all other users or none", "-o allow_other");
  }
  return raw.allowOther ?? (root && letsOthersIn(owner));
}

/** The frozen options of a mount. @throws UserError with exit code 2 */
export function toMountOptions(
  pool: string | undefined,
  place: MountPlace,
  raw: RawOptions,
  invoker: Invoker,
): MountOptions {
  const fields = parseFields(raw, invoker);
  const { sizeBytes = 0, maxSizeBytes = sizeBytes } = fields;
  if (sizeBytes > maxSizeBytes) {
    throw wrongUsage(`size ${raw.size}`, `larger than max-size ${raw.maxSize}`, "a max-size that is at least the size");
  }
  if (fields.numaNode !== undefined && fields.readOnly === true) {
    const reason = "a read-only mount allocates no memory to bind";
    throw wrongUsage(`numa-node ${raw.numaNode}`, reason, "use only one of the two");
  }
  const source = parsePool(pool, invoker);
  return Object.freeze({
    ...(fields as MountOptions),
    pool: Object.freeze(source),
    source: sourceOf(pool, source, raw.fsname),
    ...place,
    allowOther: mayOthers(raw, fields, invoker),
  });
}
