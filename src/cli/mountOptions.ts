/**
 * Turns the options of a command line or of fstab into one frozen `MountOptions`. No
 * other code parses strings: sizes are whole pages, paths are absolute.
 */
import { resolve } from "node:path";
import type { MountOptions, MountPlace, PoolSource } from "../mounts/options.js";
import {
  FIELDS_OTHERWISE,
  optionKey,
  type RawOptions,
  toggleRows,
  type ValueKind,
  valueRows,
} from "../mounts/optionTable.js";
import { letsOthersIn, type OwnIds, parseGroup, parseMode, parseUser } from "./owner.js";
import { parsePageSizeFloor } from "./sizes.js";
import { wrongUsage } from "./usage.js";

/** Who asks, and from where: all that parsing needs to know of the world. */
export interface Invoker {
  readonly root: boolean;
  readonly directory: string;
  /** Absent: of a user who may name nobody. */
  readonly own?: OwnIds;
}

export function currentInvoker(): Invoker {
  const own = { uid: process.geteuid?.() ?? 0, gids: [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])] };
  return { root: own.uid === 0, directory: process.cwd(), own };
}

/** Two less than MAX_THREADS of the pool: the main thread is one as it keeps house, and another as it serves. */
const MAX_WORKERS = 62;

/** @param what the option as it was written. @throws UserError */
type Parser = (text: string, what: string, invoker: Invoker) => string | number;

const PARSERS: Readonly<Record<ValueKind, Parser>> = {
  size: (text, what) => parsePageSizeFloor(text, what),
  count: (text, what) => {
    if (/^\d{1,6}$/.test(text)) return Number(text);
    throw wrongUsage(what, "not a number", "a number from 0 to 999999");
  },
  // Which nodes there are is asked when the pool is made.
  node: (text, what) => {
    if (/^\d{1,4}$/.test(text)) return Number(text);
    throw wrongUsage(what, "not the number of a NUMA node", "a number from 0 up, as shown by lscpu");
  },
  threads: (text, what) => {
    const threads = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    if (threads >= 1 && threads <= MAX_WORKERS) return threads;
    throw wrongUsage(what, "not a number of threads", `a number from 1 to ${MAX_WORKERS}`);
  },
  io: (text, what) => {
    if (text === "auto" || text === "served" || text === "direct") return text;
    throw wrongUsage(what, "not an I/O mode", "auto, served or direct");
  },
  user: (text, _what, invoker) => parseUser(text, invoker),
  group: (text, _what, invoker) => parseGroup(text, invoker),
  permissions: (text) => parseMode(text),
  // `sourceOf` judges it, which knows the pool.
  name: (text) => text,
};

/** The fields of `raw`, parsed, and those that have a value where nothing was written. @throws UserError */
function parseFields(raw: RawOptions, invoker: Invoker): Partial<MountOptions> {
  const fields: Record<string, unknown> = { ...FIELDS_OTHERWISE };
  for (const [name, { field, kind }] of valueRows) {
    const text = raw[name];
    if (text !== undefined) fields[field] = PARSERS[kind](text, `${optionKey(name)} ${text}`, invoker);
  }
  for (const [name, { field }] of toggleRows) {
    const value = raw[name];
    if (field !== undefined && value !== undefined) fields[field] = value;
  }
  return fields as Partial<MountOptions>;
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
  // Root and the mounting user have access anyway; FUSE keeps root out of a user's mount.
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
