/** What the system's C headers say of structs and constants, by a C program that prints it. */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FieldSpec, Struct } from "../../src/base/struct.js";
import { temporaryDirectory } from "./project.js";

export type AnyStruct = Struct<Record<string, FieldSpec>>;

/** One thing to compare: what the C program calls it, how it gets it, and what it is here. */
export interface Fact {
  readonly name: string;
  /** The version of its header that it came with. */
  readonly since: number;
  readonly expression: string;
  readonly value: number;
}

const ELEMENT_BYTES = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

function fieldBytes(spec: FieldSpec): number {
  return typeof spec === "string" ? ELEMENT_BYTES[spec] : ELEMENT_BYTES[spec[0]] * spec[1];
}

/** Its size, and the place and size of each of its fields. @param since by `struct` and `struct.field` */
export function factsOfStruct(struct: AnyStruct, since: (name: string) => number, sizeSince = 0): Fact[] {
  const { name } = struct;
  const size: Fact = {
    name: `sizeof ${name}`,
    since: Math.max(since(name), sizeSince),
    expression: `sizeof(struct ${name})`,
    value: struct.sizeBytes,
  };
  const fields = Object.entries(struct.fields).flatMap(([field, spec]): Fact[] => {
    const fieldSince = Math.max(since(name), since(`${name}.${field}`));
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

/** What a C program that includes `headers` prints of `facts`. @param condition for the preprocessor, of each */
export function headerValues(
  headers: readonly string[],
  facts: readonly Fact[],
  condition: (fact: Fact) => string,
): ReadonlyMap<string, number> {
  const includes = ["stddef.h", "stdint.h", "stdio.h", ...headers].map((header) => `#include <${header}>`);
  const lines = facts.map((fact) => {
    const print = `printf("%s = %llu\\n", "${fact.name}", (unsigned long long)(${fact.expression}));`;
    return `#if ${condition(fact)}\n\t${print}\n#endif`;
  });
  const text = ["#define _GNU_SOURCE", ...includes, "int main(void)", "{", ...lines, "\treturn 0;", "}", ""].join("\n");
  const directory = temporaryDirectory("headers");
  try {
    const [source, binary] = [join(directory, "facts.c"), join(directory, "facts")];
    writeFileSync(source, text);
    execFileSync("cc", ["-Wall", "-Werror", "-o", binary, source], { encoding: "utf8", timeout: 60_000 });
    const printed = execFileSync(binary, { encoding: "utf8", timeout: 60_000 }).trim().split("\n");
    return new Map(printed.map((line) => [line.split(" = ")[0] ?? "", Number(line.split(" = ")[1])]));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
