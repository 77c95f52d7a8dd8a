/**
 * Every option of a mount, one row each. The flags of `mount` and `up`, the keys of `-o`, the parsed
 * options, what their record must have, what a remount may change and docs/options.md all come from these rows.
 */
export type IoMode = "auto" | "served" | "direct";

/** How a value is written. */
export type ValueKind = "size" | "count" | "node" | "threads" | "user" | "group" | "permissions" | "io" | "name";
type ValueOf<Kind extends ValueKind> = Kind extends "io" ? IoMode : Kind extends "name" ? string : number;

/** An option that is written with a value. Its key of `-o` is the name in kebab case, its flag the same. */
interface ValueRow {
  /** What the parsed value becomes. */
  readonly field: string;
  readonly kind: ValueKind;
  /** The placeholder in help; absent where there is only the key of `-o`. */
  readonly placeholder?: string;
  readonly help: string;
  /** `up` has no flag for it. */
  readonly mountOnly?: true;
  /** The value where nothing was written. */
  readonly otherwise?: string | number;
  /** A remount may change it. */
  readonly remounts?: true;
}

/** An option without a value. */
interface ToggleRow {
  /** Absent where it only decides how to mount. */
  readonly field?: string;
  /** What each key of `-o` stands for. */
  readonly keys: Readonly<Record<string, boolean>>;
  /** As commander takes it; absent where there is only the key of `-o`. */
  readonly flag?: string;
  readonly help: string;
  readonly mountOnly?: true;
  readonly otherwise?: boolean;
  readonly remounts?: true;
}

export const VALUES = {
  size: {
    field: "sizeBytes",
    kind: "size",
    placeholder: "size",
    help: "size of the disk: 512M, 4G, 1.5GiB, 4GB, bytes, or 50% of the memory",
    remounts: true,
  },
  maxSize: {
    field: "maxSizeBytes",
    kind: "size",
    placeholder: "size",
    help: "largest size the disk can be resized to",
  },
  poolSize: {
    field: "poolSizeBytes",
    kind: "size",
    placeholder: "size",
    help: "memory the pool may use; if less than the size, the disk is thin",
  },
  numaNode: {
    field: "numaNode",
    kind: "node",
    placeholder: "node",
    help: "NUMA node to take the pool's memory from",
  },
  io: {
    field: "io",
    kind: "io",
    placeholder: "mode",
    help: "I/O mode: auto, served or direct",
    otherwise: "auto",
  },
  workers: {
    field: "workers",
    kind: "threads",
    placeholder: "count",
    help: "number of serving threads",
    mountOnly: true,
  },
  restarts: {
    field: "restarts",
    kind: "count",
    placeholder: "count",
    help: "how many times within a minute a dead server is replaced",
    otherwise: 5,
  },
  watchdog: {
    field: "watchdogSeconds",
    kind: "count",
    placeholder: "seconds",
    help: "how long a server may be unresponsive before it is killed; 0: forever",
    otherwise: 10,
  },
  uid: { field: "uid", kind: "user", help: "owner of the file disk and its directory: a number or a name" },
  gid: { field: "gid", kind: "group", help: "group of the file disk and its directory: a number or a name" },
  mode: { field: "mode", kind: "permissions", help: "permissions of the file disk, octal" },
  fsname: {
    field: "source",
    kind: "name",
    help: "source shown in mountinfo; without it, the pool as it was named",
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
    otherwise: false,
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

/** The fields of options that are not given, where they have a value all the same. */
export const FIELDS_OTHERWISE: Readonly<Record<string, unknown>> = Object.fromEntries(
  [...Object.values(VALUES), ...Object.values(TOGGLES)].flatMap((row) =>
    "otherwise" in row ? [[row.field, row.otherwise]] : [],
  ),
);

type Values = typeof VALUES;
type Toggles = typeof TOGGLES;
type FieldOf<Row> = Row extends { readonly field: infer Field extends string } ? Field : never;
type Parsed = { readonly [Name in ValueName as Values[Name]["field"]]: ValueOf<Values[Name]["kind"]> } & {
  readonly [Name in ToggleName as FieldOf<Toggles[Name]>]: boolean;
};
type Always = FieldOf<Extract<Values[ValueName] | Toggles[ToggleName], { readonly otherwise: unknown }>>;

/** What the options become. */
export type OptionFields = Pick<Parsed, Always> & Partial<Omit<Parsed, Always>>;
