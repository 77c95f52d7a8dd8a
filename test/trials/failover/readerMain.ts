/**
 * A steady reader: 4 KiB at a random place every 10 ms, around the page cache. It writes
 * a line for each read: when it began (ms, as Date.now has it, with fractions) and how
 * long it took. It ends with an error at the first read that fails, and on SIGTERM.
 * Arguments: the file, its size in bytes, a seed, the path of the log.
 */
import { constants, openSync, readSync, writeSync } from "node:fs";
import { allocateBuffer } from "../../../src/linux/syscall/buffers.js";
import { Random } from "../../support/random.js";

const BLOCK_BYTES = 4096;
const PERIOD_MS = 10;

const [file = "", size = "", seed = "", path = ""] = process.argv.slice(2);
const blocks = Math.floor(Number(size) / BLOCK_BYTES);
const random = new Random(Number(seed));
// O_DIRECT wants aligned memory.
const buffer = new Uint8Array(allocateBuffer(BLOCK_BYTES).bytes);
const log = openSync(path, "w");
const fd = openSync(file, constants.O_RDONLY | constants.O_DIRECT);

function read(): void {
  const at = random.below(blocks) * BLOCK_BYTES;
  const begunMs = performance.now();
  const got = readSync(fd, buffer, 0, BLOCK_BYTES, at);
  const tookMs = performance.now() - begunMs;
  if (got !== BLOCK_BYTES) throw new Error(`read at ${at}: ${got} bytes`);
  writeSync(log, `${(performance.timeOrigin + begunMs).toFixed(3)} ${tookMs.toFixed(3)}\n`);
}

process.on("SIGTERM", () => process.exit(0));
setInterval(read, PERIOD_MS);
