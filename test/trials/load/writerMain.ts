/**
 * A writer: one process, one operation at a time. It reads lines on stdin, `load
 * FILE`, works on the file until it is told to stop, meets an error other than a
 * shortage, or its ledger is full, and answers with `ended ERRNO`. It stays for
 * the next line, so that a new mount costs no new process.
 * Arguments: the ledger's path, number of this writer, of all, seed, shares as JSON.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { ENOSPC } from "../../../src/base/errno.js";
import { allocateBuffer } from "../../../src/linux/syscall/buffers.js";
import { fallocate, fdatasync, lseek, pwrite } from "../../../src/linux/syscall/libcData.js";
import { Random } from "../../support/random.js";
import { KIND_DISCARD, KIND_FLUSH, KIND_WRITE, Ledger, MAX_RECORDS, ZONE_SECTORS } from "./ledger.js";
import { nextPlan, type Plan, type Shares } from "./operations.js";
import { SECTOR_BYTES, SECTOR_WORDS, stampSector } from "./stamps.js";

const PUNCH = 0x3;
const ZERO_RANGE = 0x11;
const SEEK_END = 2;

const [path = "", number = "", all = "", seed = "", shares = ""] = process.argv.slice(2);
const writer = Number(number);
const writers = Number(all);
const random = new Random(Number(seed) + writer);
const wanted = JSON.parse(shares) as Shares;
// One more than the writers: the trial's own records.
const ledger = new Ledger(path, writers + 1);
const buffer = allocateBuffer(ZONE_SECTORS * SECTOR_BYTES);
const words = new Int32Array(buffer.bytes);

/** @returns 0 or the errno */
function carryOut(fd: number, { kind, firstSector, sectors }: Plan, tick: number): number {
  const at = firstSector * SECTOR_BYTES;
  const length = sectors * SECTOR_BYTES;
  if (kind === KIND_FLUSH) return -fdatasync(fd);
  if (kind !== KIND_WRITE) return -fallocate(fd, kind === KIND_DISCARD ? PUNCH : ZERO_RANGE, at, length);
  for (let i = 0; i < sectors; i++) stampSector(words, i * SECTOR_WORDS, firstSector + i, tick);
  const written = pwrite(fd, buffer.address, length, at);
  // A short write is as good as none: what of it is there the ledger leaves open.
  return written < 0 ? -written : written < length ? ENOSPC : 0;
}

/** @returns the errno that ended it, or 0 */
function load(file: string): number {
  const fd = openSync(file, "r+");
  const zones = Math.floor(lseek(fd, 0, SEEK_END) / (ZONE_SECTORS * SECTOR_BYTES));
  let errno = 0;
  while (!ledger.stopped && ledger.countOf(writer) < MAX_RECORDS && (errno === 0 || errno === ENOSPC)) {
    const plan = nextPlan(random, wanted, writer, writers, zones);
    const tick = ledger.begin(writer, plan.kind, plan.firstSector, plan.sectors);
    errno = carryOut(fd, plan, tick);
    ledger.answer(writer, errno);
  }
  try {
    closeSync(fd);
  } catch {
    // The server is dead; the kernel has closed it all the same.
  }
  return errno === ENOSPC ? 0 : errno;
}

function readLine(): string {
  const byte = Buffer.alloc(1);
  let line = "";
  while (readSync(0, byte, 0, 1, null) === 1) {
    if (byte[0] === 10) return line;
    line += byte.toString("latin1");
  }
  return "quit";
}

for (let line = readLine(); line !== "quit"; line = readLine()) {
  let errno: number | string;
  try {
    errno = load(line.slice("load ".length));
  } catch (error) {
    errno = (error as NodeJS.ErrnoException).code ?? "EIO";
  }
  writeSync(1, `ended ${errno}\n`);
}
