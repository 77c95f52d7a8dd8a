/** `-o opt[,opt…]` of a command line, of mount(8) and of fstab: which words there are, and what each stands for. */
import { UserError } from "../base/errors.js";

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
  allowRoot?: boolean;
  nonEmpty?: boolean;
  uid?: string;
  gid?: string;
  mode?: string;
  fsname?: string;
  remount?: boolean;
  debug?: boolean;
  foreground?: boolean;
}

type ValueWord =
  | "size"
  | "maxSize"
  | "poolSize"
  | "numaNode"
  | "io"
  | "workers"
  | "restarts"
  | "watchdog"
  | "uid"
  | "gid"
  | "mode"
  | "fsname";

const WITH_VALUE: Readonly<Record<string, ValueWord>> = {
  size: "size",
  "max-size": "maxSize",
  "pool-size": "poolSize",
  "numa-node": "numaNode",
  io: "io",
  workers: "workers",
  restarts: "restarts",
  watchdog: "watchdog",
  uid: "uid",
  gid: "gid",
  mode: "mode",
  fsname: "fsname",
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
  allow_root: { allowRoot: true },
  nonempty: { nonEmpty: true },
  remount: { remount: true },
};

/** Options of mount(8) and fstab(5) that ask nothing of us, or what is so anyway. */
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

/** What would be a promise that nobody here keeps. */
const REFUSED: Readonly<Record<string, Refusal>> = {
  sync: { reason: "the file system on the disk decides about that", cure: "mount that file system with sync" },
  mand: { reason: "Linux has no mandatory locks since 5.15", cure: "leave it out" },
  iversion: {
    reason: "the disk is one file without versions; the file system on it may have them",
    cure: "leave it out, and mount that file system with iversion",
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
export function parseOptionList(text: string, sloppy = false): MountWords {
  const words: MountWords = {};
  const items = splitOptionList(text);
  const remounts = items.includes("remount");
  for (const item of items) {
    const equals = item.indexOf("=");
    const name = equals < 0 ? item : item.slice(0, equals);
    const value = equals < 0 ? undefined : item.slice(equals + 1).replace(/^"(.*)"$/, "$1");
    const what = `-o ${item}`;
    if (Object.hasOwn(WITH_VALUE, name)) {
      if (value === undefined) throw usage(what, "the value is missing", `-o ${name}=VALUE`);
      words[WITH_VALUE[name]] = value;
    } else if (Object.hasOwn(WITHOUT_VALUE, name)) {
      if (value !== undefined) throw usage(what, "the option takes no value", `-o ${name}`);
      Object.assign(words, WITHOUT_VALUE[name]);
    } else if (!sloppy && Object.hasOwn(REFUSED, name)) {
      throw usage(what, REFUSED[name].reason, REFUSED[name].cure);
    } else if (!sloppy && !isIgnored(name, remounts)) {
      throw usage(what, `unknown mount option ${JSON.stringify(name)}`, "kmemfs mount --help");
    }
  }
  return words;
}

/** The option that stands for a word, by its name in `-o`. */
export function optionOf(word: string): string {
  const withValue = Object.keys(WITH_VALUE).find((name) => WITH_VALUE[name] === word);
  return withValue ?? Object.keys(WITHOUT_VALUE).find((name) => word in WITHOUT_VALUE[name]) ?? word;
}
