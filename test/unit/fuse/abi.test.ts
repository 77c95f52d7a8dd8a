/**
 * src/fuse/abi.ts against the system's C header: a C program prints sizes,
 * offsets and constants, and each must be ours. A header older than ours lacks
 * some; which ones follows from its minor, and exactly those are absent.
 */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import * as errno from "../../../src/base/errno.js";
import * as fileFlags from "../../../src/base/fileFlags.js";
import type { FieldSpec, Struct } from "../../../src/base/struct.js";
import * as abi from "../../../src/fuse/abi.js";
import { rowByOpcode } from "../../../src/fuse/opcodes.js";
import { temporaryDirectory } from "../../support/project.js";
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

type AnyStruct = Struct<Record<string, FieldSpec>>;
const isStruct = (value: unknown): value is AnyStruct => typeof value === "object" && value !== null;
const structs = Object.values<unknown>(abi).filter(isStruct);

/** The constants that a module exports. */
function numbersOf(module: object): [string, number][] {
  const entries = Object.entries<unknown>({ ...module });
  return entries.filter((entry): entry is [string, number] => typeof entry[1] === "number");
}

const ELEMENT_BYTES = { u16: 2, u32: 4, u64: 8 } as const;

function fieldBytes(spec: FieldSpec): number {
  return typeof spec === "string" ? ELEMENT_BYTES[spec] : ELEMENT_BYTES[spec[0]] * spec[1];
}

/** One thing to compare: what the C program calls it, how it gets it, and what it is here. */
interface Fact {
  readonly name: string;
  readonly since: number;
  readonly expression: string;
  readonly value: number;
}

function factsOfStruct(struct: AnyStruct): Fact[] {
  const { name } = struct;
  const since = SINCE[name] ?? 0;
  const size: Fact = {
    name: `sizeof ${name}`,
    since: Math.max(since, SIZE_SINCE[name] ?? 0),
    expression: `sizeof(struct ${name})`,
    value: struct.sizeBytes,
  };
  const fields = Object.entries(struct.fields).flatMap(([field, spec]): Fact[] => {
    const fieldSince = Math.max(since, SINCE[`${name}.${field}`] ?? 0);
    return [
      {
        name: `offsetof ${name}.${field}`,
        since: fieldSince,
        expression: `offsetof(struct ${name}, ${field})`,
        value: struct.offset[field]!,
      },
      {
        name: `sizeof ${name}.${field}`,
        since: fieldSince,
        expression: `sizeof(((struct ${name} *)0)->${field})`,
        value: fieldBytes(spec),
      },
    ];
  });
  return [size, ...fields];
}

function constant(name: string, value: number): Fact {
  const expression = SECOND_WORD.has(name) ? `((uint64_t)${name} >> 32)` : name;
  return { name, since: SINCE[name] ?? 0, expression, value };
}

const facts: readonly Fact[] = [
  ...structs.flatMap(factsOfStruct),
  ...numbersOf({ ...abi, ...fileFlags })
    .filter(([name]) => !OWN.has(name))
    .map(([name, value]) => constant(name, value)),
  ...rowByOpcode.filter((row) => row !== undefined).map((row) => constant(`FUSE_${row.name}`, row.opcode)),
  ...numbersOf(errno).map(([name, value]) => constant(name, value)),
];

const PROGRAM_HEAD = `#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <dirent.h>
#include <errno.h>
#include <unistd.h>
#include <sys/stat.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/fuse.h>
#define PRINT(name, value) printf("%s = %llu\\n", name, (unsigned long long)(value))
int main(void)
{
`;

function program(): string {
  const lines = facts.map(
    ({ name, since, expression }) =>
      `#if FUSE_KERNEL_MINOR_VERSION >= ${since}\n\tPRINT("${name}", ${expression});\n#endif\n`,
  );
  return `${PROGRAM_HEAD}\tPRINT("minor", FUSE_KERNEL_MINOR_VERSION);\n${lines.join("")}\treturn 0;\n}\n`;
}

const { describe, it } = requires({ commands: ["cc"], files: ["/usr/include/linux/fuse.h"] });

describe("the ABI is the system header's", () => {
  let directory = "";
  let minor = 0;
  const printed = new Map<string, number>();

  beforeAll(() => {
    directory = temporaryDirectory("abi");
    const source = join(directory, "abi.c");
    const binary = join(directory, "abi");
    writeFileSync(source, program());
    execFileSync("cc", ["-Wall", "-Werror", "-o", binary, source], { encoding: "utf8", timeout: 60_000 });
    for (const line of execFileSync(binary, { encoding: "utf8", timeout: 10_000 }).trim().split("\n")) {
      const [name = "", value = ""] = line.split(" = ");
      printed.set(name, Number(value));
    }
    minor = printed.get("minor") ?? 0;
  }, 90_000);

  afterAll(() => {
    if (directory !== "") rmSync(directory, { recursive: true });
  });

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
