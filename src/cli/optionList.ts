/** Parses `-o opt[,opt…]` of a command line, of mount(8) and of fstab; some options are skipped or refused. */
import { UserError } from "../base/errors.js";
import {
  optionKey,
  type RawOptions,
  type ToggleName,
  toggleRows,
  type ValueName,
  valueRows,
} from "../mounts/optionTable.js";

/** What a key stands for: an option that takes a value, or the value of one that takes none. */
type Key = { readonly value: ValueName } | { readonly toggle: ToggleName; readonly is: boolean };

const KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  ...valueRows.map(([name]): [string, Key] => [optionKey(name), { value: name }]),
  ...toggleRows.flatMap(([name, { keys }]) =>
    Object.entries(keys).map(([key, is]): [string, Key] => [key, { toggle: name, is }]),
  ),
]);

/** Options of mount(8) and fstab(5) that need no action or are always in effect. */
const IGNORED = new Set(
  (
    "defaults auto noauto nofail _netdev user nouser users owner group exec noexec suid nosuid dev nodev " +
    "atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime lazytime nolazytime " +
    "default_permissions async dirsync silent loud nomand noiversion symfollow nosymfollow"
  ).split(" "),
);

interface Refusal {
  readonly reason: string;
  readonly cure: string;
}

/** Options that kmemfs cannot honour. */
const REFUSED: Readonly<Record<string, Refusal>> = {
  sync: { reason: "this is up to the file system on the disk", cure: "mount that file system with sync" },
  mand: { reason: "Linux has had no mandatory locks since 5.15", cure: "omit it" },
  iversion: {
    reason: "the disk is one file without versions; only the file system on it can have them",
    cure: "omit it, and mount that file system with iversion",
  },
};

/** What mountinfo shows of a FUSE mount, and mount(8) gives back when it mounts that again. */
const OF_THE_KERNEL = new Set("fd rootmode user_id group_id max_read blksize subtype seclabel".split(" "));

function isIgnored(name: string, remounts: boolean): boolean {
  if (IGNORED.has(name) || name === "comment" || /^x-/i.test(name)) return true;
  return remounts && (OF_THE_KERNEL.has(name) || /^(fs|def|root)?context$/.test(name));
}

function usage(what: string, reason: string, cure: string): UserError {
  return new UserError(what, reason, { cure, exitCode: 2 });
}

/** The options of a list. A comma inside double quotes does not separate, as in libmount. */
export function splitOptionList(text: string): string[] {
  return text.match(/(?:[^,"]|"[^"]*"?)+/g) ?? [];
}

/**
 * Reads `-o opt[,opt…]`; of two that disagree the later one counts.
 * @param sloppy options that are not known or not kept are skipped, as mount(8)'s `-s` asks
 * @throws UserError naming the option that is unknown, is refused or misses its value
 */
export function parseOptionList(text: string, sloppy = false): RawOptions {
  const raw: RawOptions = {};
  const items = splitOptionList(text);
  const remounts = items.includes("remount");
  for (const item of items) {
    const equals = item.indexOf("=");
    const name = equals < 0 ? item : item.slice(0, equals);
    const value = equals < 0 ? undefined : item.slice(equals + 1).replace(/^"(.*)"$/, "$1");
    const what = `-o ${item}`;
    const key = KEYS.get(name);
    if (key !== undefined && "value" in key) {
      if (value === undefined) throw usage(what, "the value is missing", `-o ${name}=VALUE`);
      raw[key.value] = value;
    } else if (key !== undefined) {
      if (value !== undefined) throw usage(what, "the option takes no value", `-o ${name}`);
      raw[key.toggle] = key.is;
    } else if (!sloppy && Object.hasOwn(REFUSED, name)) {
      throw usage(what, REFUSED[name].reason, REFUSED[name].cure);
    } else if (!sloppy && !isIgnored(name, remounts)) {
      throw usage(what, `unknown mount option ${JSON.stringify(name)}`, "kmemfs mount --help");
    }
  }
  return raw;
}
