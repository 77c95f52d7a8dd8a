/** `kmemfs dump POOL`: layout and index as text or JSON. Changes nothing. */
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { dumpPoolAt } from "../media/checkPool.js";
import type { DumpEvents } from "../pool/dump.js";
import { formatUuid, labelBytes, type Superblock } from "../pool/superblock.js";
import type { CopyState } from "../pool/superblockCopies.js";
import { Output } from "./checkPrint.js";
import { poolPath } from "./format.js";

function fieldsOf({ geometry, uuid, label, ...rest }: Superblock): Record<string, string | number> {
  const { generation, state, blocks, incompatible, readonlyCompatible, formattedMs } = rest;
  return {
    generation,
    state,
    pageCount: geometry.pageCount,
    indexPages: geometry.indexPages,
    indexEntries: geometry.maxBlocks,
    blocks,
    incompatible,
    readonlyCompatible,
    formattedMs,
    uuid: formatUuid(uuid),
    label: new TextDecoder().decode(labelBytes(label)),
  };
}

function copyText({ at, problems, superblock }: CopyState): string[] {
  if (superblock === null) return [`copy at byte ${at}: not valid`, ...problems.map(({ message }) => `  ${message}`)];
  const fields = Object.entries(fieldsOf(superblock)).map(([name, value]) => `  ${name} ${printable(value)}`);
  return [`copy at byte ${at}: valid`, ...fields];
}

/** A label may hold any bytes, including terminal control sequences. */
function printable(value: string | number): string {
  return typeof value === "number" ? String(value) : value.replace(/\p{C}/gu, "?");
}

export function textDump(print: (line: string) => void): DumpEvents {
  const range = (first: number, count: number): string => (count === 1 ? `${first}` : `${first}-${first + count - 1}`);
  return {
    superblock(copies, newest, state) {
      for (const copy of copies) for (const line of copyText(copy)) print(line);
      print(`state ${state}`);
      if (newest === null) return;
      const { firstDataPage, pageCount, indexPages } = newest.geometry;
      print(`pages 0 superblock, 1-${indexPages} index, ${firstDataPage}-${pageCount - 1} data`);
    },
    run: ({ block, page, count, isHome }) =>
      print(`blocks ${range(block, count)} -> pages ${range(page, count)}${isHome ? " (home)" : ""}`),
    damaged: (damage, _block, _page, _high, message) => print(`DAMAGED ${damage}: ${message}`),
  };
}

/** One JSON document, written as it is read. */
export function jsonDump(path: string, print: (line: string) => void): DumpEvents & { end(): void } {
  let count = 0;
  const entry = (value: object): void => print(`  ${count++ === 0 ? "" : ","}${JSON.stringify(value)}`);
  return {
    superblock(copies, newest, state) {
      const told = copies.map(({ at, problems, superblock }) => ({
        offsetBytes: at,
        valid: superblock !== null,
        problems: problems.map(({ field, expected, found, offsetBytes }) => ({ field, expected, found, offsetBytes })),
        fields: superblock === null ? null : fieldsOf(superblock),
      }));
      const geometry = newest === null ? null : newest.geometry;
      print(`{"path": ${JSON.stringify(path)}, "state": "${state}", "geometry": ${JSON.stringify(geometry)},`);
      print(` "copies": ${JSON.stringify(told)},`);
      print(` "index": [`);
    },
    run: ({ block, page, count: length, isHome }) => entry({ block, page, count: length, home: isHome }),
    damaged: (damage, block, page, high) => entry({ block, page, high, damaged: damage }),
    end: () => print(" ]}"),
  };
}

async function dump(pool: string, flags: { json?: boolean }): Promise<void> {
  const path = poolPath("dump", pool, 2);

  const output = new Output();
  const print = (line: string): void => output.line(line);
  try {
    if (!flags.json) return await dumpPoolAt(path, textDump(print));
    const events = jsonDump(path, print);
    await dumpPoolAt(path, events);
    events.end();
  } catch (error) {
    throw error instanceof UserError && error.what === "pool"
      ? new UserError(path, error.reason, error.options)
      : error;
  } finally {
    output.flush();
  }
}

export function defineDump(command: Command): void {
  command
    .description("Prints both copies of the superblock of an unmounted pool, and which blocks are on which pages.")
    .argument("<pool>", "a file, a directory, or /dev/daxX.Y")
    .option("-J, --json", "JSON")
    .option("--debug", "show stack traces on errors")
    .action(dump);
}
