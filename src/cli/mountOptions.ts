/**
 * From the words of a command line or of fstab to one frozen `MountOptions`.
 * Below this nobody parses strings: sizes are whole pages, paths are absolute.
 */
import { resolve } from "node:path";
import { UserError } from "../base/errors.js";
import type { IoWay, MountOptions, PoolSource } from "../mounts/options.js";
import type { MountWords } from "./optionList.js";
import { letsOthersIn, type Owner, type OwnIds, parseOwner } from "./owner.js";
import { parsePageSizeFloor } from "./sizes.js";

/** Who asks, and from where: all that parsing needs to know of the world. */
export interface Caller {
  readonly root: boolean;
  readonly directory: string;
  /** Absent: of a user who may name nobody. */
  readonly own?: OwnIds;
}

export function currentCaller(): Caller {
  const own = { uid: process.geteuid?.() ?? 0, gids: [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])] };
  return { root: own.uid === 0, directory: process.cwd(), own };
}

function usage(what: string, reason: string, cure?: string): UserError {
  return new UserError(what, reason, cure === undefined ? { exitCode: 2 } : { cure, exitCode: 2 });
}

const PRIVATE_NAMES = new Set(["none", "tmpfs", "kmemfs"]);

/** What the POOL of a command line or of fstab's first field stands for. */
export function parsePool(text: string | undefined, caller: Caller): PoolSource {
  // Without root the kernel refuses a private tmpfs (fsopen: EPERM), so the default there is a memfd.
  if (text === undefined) return { kind: caller.root ? "tmpfs" : "memfd" };
  if (text === "") throw usage("pool", "an empty path");
  if (PRIVATE_NAMES.has(text)) return { kind: "tmpfs" };
  if (text === "memfd") return { kind: "memfd" };
  return { kind: "path", path: resolve(caller.directory, text) };
}

/** @throws UserError for a name that would be taken for the path of a pool */
function sourceOf(text: string | undefined, pool: PoolSource, fsname: string | undefined): string {
  // Where no pool was named it is our own name.
  const source = pool.kind === "path" ? pool.path : (text ?? "kmemfs");
  if (fsname === undefined || fsname === source) return source;
  if (fsname === "") throw usage("fsname", "an empty name");
  if (!fsname.startsWith("/")) return fsname;
  throw usage(`fsname ${fsname}`, "a name that begins with / stands for the path of the pool", "a name without a /");
}

/** @throws UserError */
function mayOthers(words: MountWords, owner: Owner, { root }: Caller): boolean {
  // Root and whoever mounts are let in anyway; of a user's mount FUSE keeps root out.
  if (words.allowRoot === true && !root && words.allowOther !== true) {
    throw usage("-o allow_root", "the kernel lets either nobody else or everybody in", "-o allow_other");
  }
  return words.allowOther ?? (root && letsOthersIn(owner));
}

function parseIo(text: string | undefined): IoWay {
  if (text === undefined) return "auto";
  if (text === "auto" || text === "served" || text === "direct") return text;
  throw usage(`io ${text}`, "no such way of data", "auto, served or direct");
}

/** One less than MAX_THREADS of the pool: the main thread is one. */
const MAX_WORKERS = 63;

function parseWorkers(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MAX_WORKERS) {
    throw usage(`workers ${text}`, "not a number of threads", `a number from 1 to ${MAX_WORKERS}`);
  }
  return count;
}

/** Deaths of the server within a minute that are borne with. */
const DEFAULT_RESTARTS = 5;
const DEFAULT_WATCHDOG_SECONDS = 10;

function parseCount(text: string | undefined, name: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw usage(`${name} ${text}`, "not a number", "a number from 0 to 999999");
}

/** Which nodes there are is asked when the pool is made. */
function parseNumaNode(text: string, readOnly: boolean): number {
  if (!/^\d{1,4}$/.test(text)) {
    throw usage(`numa-node ${text}`, "not the number of a NUMA node", "a number from 0 on; lscpu shows them");
  }
  if (!readOnly) return Number(text);
  throw usage(`numa-node ${text}`, "a read-only mount takes no memory that could be bound", "leave one of the two out");
}

/** Where a mount goes; both absolute. They differ only for `up`. */
export interface MountPlace {
  readonly mountpoint: string;
  readonly fuseDirectory: string;
}

/** The frozen options of a mount. @throws UserError with exit code 2 */
export function toMountOptions(
  pool: string | undefined,
  place: MountPlace,
  words: MountWords,
  caller: Caller,
): MountOptions {
  const size = words.size === undefined ? undefined : parsePageSizeFloor(words.size, `size ${words.size}`);
  const max = words.maxSize === undefined ? undefined : parsePageSizeFloor(words.maxSize, `max-size ${words.maxSize}`);
  const poolSize =
    words.poolSize === undefined ? undefined : parsePageSizeFloor(words.poolSize, `pool-size ${words.poolSize}`);
  if (size !== undefined && max !== undefined && size > max) {
    throw usage(`size ${words.size}`, `larger than max-size ${words.maxSize}`, "a max-size that is at least the size");
  }
  const source = parsePool(pool, caller);
  const owner = parseOwner(words, caller.root ? null : (caller.own ?? { uid: -1, gids: [] }));
  return Object.freeze({
    pool: Object.freeze(source),
    source: sourceOf(pool, source, words.fsname),
    ...place,
    ...(size === undefined ? {} : { sizeBytes: size }),
    ...(max === undefined ? {} : { maxSizeBytes: max }),
    ...(poolSize === undefined ? {} : { poolSizeBytes: poolSize }),
    ...(words.numaNode === undefined ? {} : { numaNode: parseNumaNode(words.numaNode, words.readOnly ?? false) }),
    create: words.create ?? false,
    readOnly: words.readOnly ?? false,
    io: parseIo(words.io),
    atomicWrites: words.atomicWrites ?? false,
    durable: words.durable ?? false,
    ...(words.workers === undefined ? {} : { workers: parseWorkers(words.workers) }),
    restarts: parseCount(words.restarts, "restarts", DEFAULT_RESTARTS),
    watchdogSeconds: parseCount(words.watchdog, "watchdog", DEFAULT_WATCHDOG_SECONDS),
    spare: words.spare ?? true,
    ...owner,
    allowOther: mayOthers(words, owner, caller),
    debug: words.debug ?? false,
    foreground: words.foreground ?? false,
  });
}
