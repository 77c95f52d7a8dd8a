/** Bugs of the kind that a hostile request would show. Each is planted alone, and the trial must find it. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type PlantedBug, plantBug } from "../../support/planted.js";
import { runUnits } from "./run.js";
import { fixedUnits, UNIT_REQUESTS } from "./units.js";

interface RequestBug extends PlantedBug {
  readonly name: string;
}

export const requestBugs: readonly RequestBug[] = [
  {
    name: "a row without its length",
    file: "src/fuse/opcodes.ts",
    find: `"FALLOCATE", abi.fuse_fallocate_in.sizeBytes`,
    replace: `"FALLOCATE", 0`,
  },
  {
    name: "no offset is too large",
    file: "src/fuse/exchange.ts",
    find: "return this.words[IN_WORDS + word + 1] >>> 0 >= 1 << 21;",
    replace: "return false && word > 0;",
  },
  {
    name: "a refused mode of FALLOCATE acts all the same",
    file: "src/fuse/fileSystem.ts",
    find: "return keepsSize ? this.file.discard(offset, length) : -EOPNOTSUPP;",
    replace: "return this.file.discard(offset, length) || (keepsSize ? 0 : -EOPNOTSUPP);",
  },
  {
    name: "a range that wraps round",
    file: "src/fuse/fileSystem.ts",
    find: "if (offset + length >= Number.MAX_SAFE_INTEGER) return -EFBIG;",
    replace: "",
  },
  {
    name: "an error with a body",
    file: "src/fuse/exchange.ts",
    find: "this.iovecs.add(this.replyAddress, fuse_out_header.sizeBytes);\n    this.writeHeader(fuse_out_header.sizeBytes, -errno);",
    replace: "this.iovecs.add(this.replyAddress, 24);\n    this.writeHeader(24, -errno);",
  },
  {
    name: "half of the unique",
    file: "src/fuse/exchange.ts",
    find: "this.reply[fuse_out_header.word.unique + 1] = this.words[fuse_in_header.word.unique + 1];",
    replace: "this.reply[fuse_out_header.word.unique + 1] = 0;",
  },
  {
    name: "a READ past the end of the file",
    file: "src/blockfile/blockFile.ts",
    find: "const end = Math.min(offset + length, this.sizeBytes);\n    let at = offset;\n    while",
    replace: "const end = offset + length;\n    let at = offset;\n    while",
  },
  {
    name: "errors are answered twice",
    file: "src/daemon/server/serveLoop.ts",
    find: "      reply(stack);\n    }\n    fileSystem.leave();",
    replace:
      "      reply(stack);\n      if (fileSystem.exchange.reply[1] !== 0) reply(stack);\n    }\n    fileSystem.leave();",
  },
  {
    name: "notices are answered",
    file: "src/fuse/dispatch.ts",
    find: "if (row !== undefined && !row.answered) return false;",
    replace: "",
  },
  {
    name: "an error behind the beginning of data",
    file: "src/fuse/exchange.ts",
    find: "fail(errno: number): void {\n    this.iovecs.clear();",
    replace: "fail(errno: number): void {",
  },
  {
    name: "SETATTR changes the mode before it refuses the size",
    file: "src/fuse/fileSystem.ts",
    find: "const valid = exchange.u32(word.valid);",
    replace: "const valid = exchange.u32(word.valid);\n    this.setOwnerAndMode(valid);",
  },
  {
    name: "a WRITE of more than came",
    file: "src/fuse/fileSystem.ts",
    find: "if (size > exchange.bodyBytes - abi.fuse_write_in.sizeBytes) return -EINVAL;",
    replace: "",
  },
  {
    name: "a request that says another length",
    file: "src/fuse/dispatch.ts",
    find: "if (exchange.words[fuse_in_header.word.len] !== lengthBytes) {",
    replace: "if (exchange.words[fuse_in_header.word.len] > lengthBytes) {",
  },
  {
    name: "a read-only file is truncated by its open",
    file: "src/blockfile/blockFile.ts",
    find: "this.readOnly || this.pool.damage.isFound",
    replace: "this.pool.damage.isFound",
  },
  {
    name: "the tail of a discard keeps its bytes",
    file: "src/blockfile/blockFile.ts",
    find: "this.zeroWithinBlock(offset, firstWhole * PAGE_BYTES) || this.zeroWithinBlock(endWhole * PAGE_BYTES, end);",
    replace: "this.zeroWithinBlock(offset, firstWhole * PAGE_BYTES);",
  },
  {
    name: "a shortage is EIO",
    file: "src/pool/mapHoles.ts",
    find: "if (errno === EAGAIN) return 0;\n  if (errno !== 0) return -errno;",
    replace: "if (errno === EAGAIN) return 0;\n  if (errno !== 0) return -5;",
  },
  {
    name: "a flush that failed once is forgotten",
    file: "src/pool/mediaSync.ts",
    find: "noteFailed(this.lasting, errno);",
    replace: ";",
  },
  {
    name: "direct: part of a page past the end",
    file: "src/blockfile/directFile.ts",
    find: "if (sizeBytes % PAGE_BYTES !== 0) return -EINVAL;",
    replace: "",
  },
];

/** Random requests that each bug gets, after every beginning and boundary value. */
const BUDGET = 100_000;
const HANG_MS = 10_000;

/** Prints what was found, and after how long. @returns whether all were found */
export async function plantedRequests(seed: number, say: (line: string) => void): Promise<boolean> {
  say(`requests: ${requestBugs.length} planted bugs, seed ${seed}`);
  let found = 0;
  for (const bug of requestBugs) {
    const begun = Date.now();
    const tree = plantBug(bug);
    const script = pathToFileURL(join(tree, "test/trials/requests/thread.js"));
    const end = fixedUnits + BUDGET / UNIT_REQUESTS;
    const { failed } = await runUnits({ seed, from: 0, end, threads: 2, script, hangMs: HANG_MS });
    rmSync(tree, { recursive: true, force: true });
    const seconds = ((Date.now() - begun) / 1000).toFixed(1).padStart(5);
    const by = failed === null ? "" : `: ${failed.fault?.replace(/\([0-9a-f]*, /, "(")}`;
    say(`${failed === null ? "MISSED" : "found "} ${seconds} s  ${bug.name}${by}`);
    if (failed !== null) found++;
  }
  say(
    `trial requests: ${found === requestBugs.length ? "passed" : "FAILED"}, ${found} of ${requestBugs.length} planted bugs found, seed ${seed}`,
  );
  return found === requestBugs.length;
}
