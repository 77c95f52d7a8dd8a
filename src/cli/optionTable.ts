/**
 * Every option of a mount, one row each. The flags of `mount` and `up`, the keys of `-o`, the
 * parsed options, what a remount may change and docs/options.md all come from these rows.
 */
import type { IoMode, MountOptions } from "../mounts/options.js";
import { type OwnIds, parseGroup, parseMode, parseUser } from "./owner.js";
import { parsePageSizeFloor } from "./sizes.js";
import { wrongUsage } from "./usage.js";

/** Who asks, and from where: all that parsing needs to know of the world. */
export interface Invoker {
  readonly root: boolean;
  readonly directory: string;
  /** Absent: of a user who may name nobody. */
  readonly own?: OwnIds;
}

/** An option that is written with a value. Its key of `-o` is the name in kebab case, its flag the same. */
interface ValueRow {
  /** What the parsed value becomes. */
  readonly field: keyof MountOptions;
  /** The placeholder in help; absent where there is only the key of `-o`. */
  readonly placeholder?: string;
  readonly help: string;
  /** `up` has no flag for it. */
  readonly mountOnly?: true;
  /** The value where nothing was written. */
  readonly otherwise?: string;
  /** A remount may change it. */
  readonly remounts?: true;
  /** @throws UserError */
  parse(text: string, invoker: Invoker): MountOptions[keyof MountOptions];
}

/** An option that is said or not. */
interface ToggleRow {
  /** Absent where it only decides how to mount. */
  readonly field?: keyof MountOptions;
  /** What each key of `-o` stands for. */
  readonly keys: Readonly<Record<string, boolean>>;
  /** As commander takes it; absent where there is only the key of `-o`. */
  readonly flag?: string;
  readonly help: string;
  readonly mountOnly?: true;
  readonly otherwise?: boolean;
  readonly remounts?: true;
}

const pageSize =
  (option: string) =>
  (text: string): number =>
    parsePageSizeFloor(text, `${option} ${text}`);

const count =
  (option: string) =>
  (text: string): number => {
    if (/^\d{1,6}$/.test(text)) return Number(text);
    throw wrongUsage(`${option} ${text}`, "not a number", "a number from 0 to 999999");
  };

/** Which nodes there are is asked when the pool is made. */
function parseNumaNode(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw wrongUsage(`numa-node ${text}`, "not the number of a NUMA node", "a number from 0 up, as shown by lscpu");
}

function parseIo(text: string): IoMode {
  if (text === "auto" || text === "served" || text === "direct") return text;
  throw wrongUsage(`io ${text}`, "not an I/O mode", "auto, served or direct");
}

/** One less than MAX_THREADS of the pool: the main thread is one. */
const MAX_WORKERS = 63;

function parseWorkers(text: string): number {
  const threads = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (threads >= 1 && threads <= MAX_WORKERS) return threads;
  throw wrongUsage(`workers ${text}`, "not a number of threads", `a number from 1 to ${MAX_WORKERS}`);
}

export const VALUES = {
  size: {
    field: "sizeBytes",
    placeholder: "size",
    help: "size of the disk: 512M, 4G, 1.5GiB, 4GB, bytes, or 50% of the memory",
    remounts: true,
    parse: pageSize("size"),
  },
  maxSize: {
    field: "maxSizeBytes",
    placeholder: "size",
    help: "largest size the disk can be resized to",
    parse: pageSize("max-size"),
  },
  poolSize: {
    field: "poolSizeBytes",
    placeholder: "size",
    help: "memory the pool may use; if less than the size, the disk is thin",
    parse: pageSize("pool-size"),
  },
  numaNode: {
    field: "numaNode",
    placeholder: "node",
    help: "NUMA node to take the pool's memory from",
    parse: parseNumaNode,
  },
  io: {
    field: "io",
    placeholder: "mode",
    help: "I/O mode: auto, served or direct",
    otherwise: "auto",
    parse: parseIo,
  },
  workers: {
    field: "workers",
    placeholder: "count",
    help: "number of serving threads",
    mountOnly: true,
    parse: parseWorkers,
  },
  restarts: {
    field: "restarts",
    placeholder: "count",
    help: "how many times within a minute a dead server is replaced",
    otherwise: "5",
    parse: count("restarts"),
  },
  watchdog: {
    field: "watchdogSeconds",
    placeholder: "seconds",
    help: "how long a server may be unresponsive before it is killed; 0: forever",
    otherwise: "10",
    parse: count("watchdog"),
  },
  uid: { field: "uid", help: "owner of the file disk and its directory: a number or a name", parse: parseUser },
  gid: { field: "gid", help: "group of the file disk and its directory: a number or a name", parse: parseGroup },
  mode: { field: "mode", help: "permissions of the file disk, octal", parse: parseMode },
  fsname: {
    field: "source",
    help: "source shown in mountinfo; without it, the pool as it was named",
    // `sourceOf` judges it, which knows the pool.
    parse: (text) => text,
  },
} as const satisfies Readonly<Record<string, ValueRow>>;

export const TOGGLES = {
  create: {
    field: "create",
    keys: { create: true },
    flag: "--create",
    help: "create and format the pool if it does not exist",
    otherwise: false,
    remounts: true,
  },
  readOnly: {
    field: "readOnly",
    keys: { ro: true, "read-only": true, rw: false },
    flag: "--read-only",
    help: "write nothing to the pool",
    otherwise: false,
    remounts: true,
  },
  atomicWrites: {
    field: "atomicWrites",
    keys: { "atomic-writes": true },
    flag: "--atomic-writes",
    help: "write each block completely or not at all, even in a crash; served mode only",
    otherwise: false,
  },
  durable: {
    field: "durable",
    keys: { durable: true },
    flag: "--durable",
    help: "refuse a pool that does not survive a power cut",
    otherwise: false,
  },
  spare: {
    field: "spare",
    keys: { spare: true, nospare: false },
    flag: "--no-spare",
    help: "keep no standby server; replacing a dead one then takes half a second",
    otherwise: true,
  },
  allowOther: {
    field: "allowOther",
    keys: { allow_other: true },
    help: "give other users the access that owner and mode allow",
  },
  allowRoot: {
    keys: { allow_root: true },
    help: "always on for root's mounts; not available for a user's mount",
    remounts: true,
  },
  nonEmpty: { keys: { nonempty: true }, help: "mount even if the directory is not empty", remounts: true },
  remount: { keys: { remount: true }, help: "change an existing mount: ro, rw, size", remounts: true },
  foreground: {
    field: "foreground",
    keys: { foreground: true },
    flag: "-f, --foreground",
    help: "stay in the foreground and log to stderr",
    mountOnly: true,
    otherwise: false,
    remounts: true,
  },
  debug: {
    field: "debug",
    keys: { debug: true },
    flag: "--debug",
    help: "show stack traces on errors",
    otherwise: false,
    remounts: true,
  },
} as const satisfies Readonly<Record<string, ToggleRow>>;

export type ValueName = keyof typeof VALUES;
export type ToggleName = keyof typeof TOGGLES;
export type OptionName = ValueName | ToggleName;

/** What was written, still text. The keys are commander's names of the flags. */
export type RawOptions = { [Name in ValueName]?: string } & { [Name in ToggleName]?: boolean };

export const valueRows = Object.entries(VALUES) as [ValueName, ValueRow][];
export const toggleRows = Object.entries(TOGGLES) as [ToggleName, ToggleRow][];

/** The name of an option as it is written: `max-size` for `maxSize`. */
export function optionKey(name: OptionName): string {
  if (name in TOGGLES) return Object.keys(TOGGLES[name as ToggleName].keys)[0];
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The flags of a command, and what help says of them. */
export function flagsOf(command: "mount" | "up"): { readonly flags: string; readonly help: string }[] {
  const isThere = ({ mountOnly }: { readonly mountOnly?: true }): boolean => command === "mount" || mountOnly !== true;
  const values = valueRows.flatMap(([name, row]) => {
    if (row.placeholder === undefined || !isThere(row)) return [];
    const help = row.otherwise === undefined ? row.help : `${row.help} (${row.otherwise})`;
    return [{ flags: `--${optionKey(name)} <${row.placeholder}>`, help }];
  });
  const toggles = toggleRows.flatMap(([, row]) =>
    row.flag === undefined || !isThere(row) ? [] : [{ flags: row.flag, help: row.help }],
  );
  return [...values, ...toggles];
}

/** The fields of `raw`, parsed, and those that have a value where nothing was written. @throws UserError */
export function parseFields(raw: RawOptions, invoker: Invoker): Partial<MountOptions> {
  const fields: Record<string, unknown> = {};
  for (const [name, { field, otherwise, parse }] of valueRows) {
    const text = raw[name] ?? otherwise;
    if (text !== undefined) fields[field] = parse(text, invoker);
  }
  for (const [name, { field, otherwise }] of toggleRows) {
    const value = raw[name] ?? otherwise;
    if (field !== undefined && value !== undefined) fields[field] = value;
  }
  return fields as Partial<MountOptions>;
}
