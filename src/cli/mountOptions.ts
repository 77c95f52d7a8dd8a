/**
 * From the words of a command line or of fstab to one frozen `MountOptions`.
 * Below this nobody parses strings: sizes are whole pages, paths are absolute.
 */
import { resolve } from "node:path";
import { UserError } from "../base/errors.js";
import type { IoWay, MountOptions, PoolSource } from "../daemon/options.js";
import { parsePageSizeFloor } from "./sizes.js";

/** What was written, still text. The keys are commander's names of the flags. */
export interface MountWords {
  size?: string;
  maxSize?: string;
  poolSize?: string;
  numaNode?: string;
  create?: boolean;
  readOnly?: boolean;
  io?: string;
  atomicWrites?: boolean;
  durable?: boolean;
  workers?: string;
  restarts?: string;
  watchdog?: string;
  spare?: boolean;
  allowOther?: boolean;
  debug?: boolean;
  foreground?: boolean;
}

/** Who asks, and from where: all that parsing needs to know of the world. */
export interface Caller {
  readonly root: boolean;
  readonly directory: string;
}

export function currentCaller(): Caller {
  return { root: process.geteuid?.() === 0, directory: process.cwd() };
}

type ValueWord = "size" | "maxSize" | "poolSize" | "numaNode" | "io" | "workers" | "restarts" | "watchdog";

const WITH_VALUE: Readonly<Record<string, ValueWord>> = {
  size: "size",
  "max-size": "maxSize",
  "pool-size": "poolSize",
  "numa-node": "numaNode",
  io: "io",
  workers: "workers",
  restarts: "restarts",
  watchdog: "watchdog",
};

const WITHOUT_VALUE: Readonly<Record<string, MountWords>> = {
  create: { create: true },
  ro: { readOnly: true },
  "read-only": { readOnly: true },
  rw: { readOnly: false },
  "atomic-writes": { atomicWrites: true },
  durable: { durable: true },
  spare: { spare: true },
  nospare: { spare: false },
  debug: { debug: true },
  foreground: { foreground: true },
  allow_other: { allowOther: true },
};

/** Options of mount(8) and fstab(5) that ask nothing of us. */
const IGNORED = new Set(
  (
    "defaults auto noauto nofail _netdev user nouser users owner group exec noexec suid nosuid dev nodev " +
    "atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime lazytime nolazytime default_permissions"
  ).split(" "),
);

function isIgnored(name: string): boolean {
  return IGNORED.has(name) || name === "comment" || /^x-/i.test(name);
}

function usage(what: string, reason: string, cure?: string): UserError {
  return new UserError(what, reason, cure === undefined ? { exitCode: 2 } : { cure, exitCode: 2 });
}

/**
 * Reads `-o opt[,opt…]`; of two that disagree the later one counts.
 * @param sloppy unknown options are skipped, as mount(8)'s `-s` asks
 * @throws UserError naming the option that is unknown or misses its value
 */
export function parseOptionList(text: string, sloppy = false): MountWords {
  const words: MountWords = {};
  // A comma inside double quotes does not separate, as in libmount.
  for (const item of text.match(/(?:[^,"]|"[^"]*"?)+/g) ?? []) {
    const equals = item.indexOf("=");
    const name = equals < 0 ? item : item.slice(0, equals);
    const value = equals < 0 ? undefined : item.slice(equals + 1).replace(/^"(.*)"$/, "$1");
    const what = `-o ${item}`;
    if (Object.hasOwn(WITH_VALUE, name)) {
      if (value === undefined) throw usage(what, "the value is missing", `-o ${name}=VALUE`);
      words[WITH_VALUE[name] as "size"] = value;
    } else if (Object.hasOwn(WITHOUT_VALUE, name)) {
      if (value !== undefined) throw usage(what, "the option takes no value", `-o ${name}`);
      Object.assign(words, WITHOUT_VALUE[name]);
    } else if (!sloppy && !isIgnored(name)) {
      throw usage(what, `unknown mount option ${JSON.stringify(name)}`, "kmemfs mount --help");
    }
  }
  return words;
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

/** Where no pool was named it is our own name. */
function sourceOf(text: string | undefined, pool: PoolSource): string {
  return pool.kind === "path" ? pool.path : (text ?? "kmemfs");
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
  return Object.freeze({
    pool: Object.freeze(source),
    source: sourceOf(pool, source),
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
    allowOther: words.allowOther ?? false,
    debug: words.debug ?? false,
    foreground: words.foreground ?? false,
  });
}
