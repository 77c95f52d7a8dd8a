/**
 * src/fuse/abi.ts against the system's C header: a C program prints sizes,
 * offsets and constants, and each must be ours. A header older than ours lacks
 * some; which ones follows from its minor, and exactly those are absent.
 */
import { beforeAll, expect } from "vitest";
import * as errno from "../../../src/base/errno.js";
import * as fileFlags from "../../../src/base/fileFlags.js";
import * as abi from "../../../src/fuse/abi.js";
import { rowByOpcode } from "../../../src/fuse/opcodes.js";
import { type AnyStruct, type Fact, factsOfStruct, headerValues } from "../../support/headerFacts.js";
import { requires } from "../../support/requires.js";

/** The minor with which the header got each of these; everything else is in 7.28 already. */
const SINCE: Readonly<Record<string, number>> = {
  "fuse_init_in.flags2": 36,
  "fuse_init_in.unused": 36,
  "fuse_init_out.flags2": 36,
  FUSE_INIT_EXT: 36,
  FUSE_TMPFILE: 37,
  "fuse_in_header.total_extlen": 38,
  "fuse_in_header.padding": 38,
  FOPEN_PARALLEL_DIRECT_WRITES: 38,
  FUSE_DIRECT_IO_ALLOW_MMAP: 39,
  FUSE_STATX: 39,
  fuse_statx_in: 39,
  fuse_statx: 39,
  fuse_statx_out: 39,
  "fuse_open_out.backing_id": 40,
  "fuse_init_out.max_stack_depth": 40,
  FUSE_HAS_RESEND: 40,
  FUSE_PASSTHROUGH: 40,
  FOPEN_PASSTHROUGH: 40,
  "fuse_init_out.request_timeout": 43,
  "fuse_init_out.unused": 43,
  "fuse_open_in.open_flags": 32,
};

/** Structs that grew: their size counts from this minor on. */
const SIZE_SINCE: Readonly<Record<string, number>> = { fuse_init_in: 36 };

/** Bits of the second word of INIT's flags: the header counts them from 32. */
const SECOND_WORD = new Set(["FUSE_DIRECT_IO_ALLOW_MMAP", "FUSE_HAS_RESEND", "FUSE_PASSTHROUGH"]);
/** Ours alone: the header has it under no name. */
const OWN = new Set(["OLDEST_MINOR", "FUSE_KERNEL_MINOR_VERSION"]);

const isStruct = (value: unknown): value is AnyStruct => typeof value === "object" && value !== null;
const structs = Object.values<unknown>(abi).filter(isStruct);

/** The constants that a module exports. */
function numbersOf(module: object): [string, number][] {
  const entries = Object.entries<unknown>({ ...module });
  return entries.filter((entry): entry is [string, number] => typeof entry[1] === "number");
}

function constant(name: string, value: number): Fact {
  const expression = SECOND_WORD.has(name) ? `((uint64_t)${name} >> 32)` : name;
  return { name, since: SINCE[name] ?? 0, expression, value };
}

const facts: readonly Fact[] = [
  ...structs.flatMap((struct) => factsOfStruct(struct, (name) => SINCE[name] ?? 0, SIZE_SINCE[struct.name])),
  ...numbersOf({ ...abi, ...fileFlags })
    .filter(([name]) => !OWN.has(name))
    .map(([name, value]) => constant(name, value)),
  ...rowByOpcode.filter((row) => row !== undefined).map((row) => constant(`FUSE_${row.name}`, row.opcode)),
  ...numbersOf(errno).map(([name, value]) => constant(name, value)),
];

const HEADERS = [
  "dirent.h",
  "errno.h",
  "unistd.h",
  "sys/stat.h",
  "linux/falloc.h",
  "linux/fcntl.h",
  "linux/stat.h",
  "linux/fuse.h",
];

const { describe, it } = requires({ commands: ["cc"], files: ["/usr/include/linux/fuse.h"] });

describe("the ABI is the system header's", () => {
  let minor = 0;
  let printed: ReadonlyMap<string, number> = new Map();

  beforeAll(() => {
    const since = (fact: Fact): string => `FUSE_KERNEL_MINOR_VERSION >= ${fact.since}`;
    const asked = { name: "minor", since: 0, expression: "FUSE_KERNEL_MINOR_VERSION", value: 0 };
    printed = headerValues(HEADERS, [asked, ...facts], since);
    minor = printed.get("minor") ?? 0;
  }, 90_000);

  it("each struct, field, flag, opcode and errno that it has", () => {
    const present = facts.filter(({ since }) => since <= minor);
    const ours = present.map(({ name, value }) => `${name} = ${value >>> 0}`);
    const theirs = present.map(
      ({ name }) => `${name} = ${Number(BigInt.asUintN(32, BigInt(printed.get(name) ?? -1)))}`,
    );
    expect(ours).toEqual(theirs);
    // Something is wrong with the list, and not with the header, when little of it is left.
    expect(present.length).toBeGreaterThan(300);
  });

  it("and lacks just what came after its minor", () => {
    const absent = facts.filter(({ name }) => !printed.has(name)).map(({ name }) => name);
    expect(absent).toEqual(facts.filter(({ since }) => since > minor).map(({ name }) => name));
    if (minor >= abi.FUSE_KERNEL_MINOR_VERSION) expect(absent).toEqual([]);
  });

  it("and every name that is said to be newer is one of ours", () => {
    const names = new Set([
      ...structs.flatMap(({ name, fields }) => [name, ...Object.keys(fields).map((field) => `${name}.${field}`)]),
      ...facts.map(({ name }) => name),
    ]);
    expect(Object.keys({ ...SINCE, ...SIZE_SINCE }).filter((name) => !names.has(name))).toEqual([]);
  });
});
