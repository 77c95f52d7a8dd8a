/**
 * Write-back at random: pieces of files, whole files and whole file systems are
 * put on the media in any order, as the kernel may do at any time. It goes on
 * until it is killed. Arguments: seed, then the files.
 */
import { closeSync, existsSync, fdatasyncSync, fstatSync, openSync } from "node:fs";
import koffi from "koffi";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { Random } from "../../support/random.js";

const SYNC_FILE_RANGE_WRITE = 2;
const MOST_PAGES = 512;
const MOST_PAUSE_MS = 20;

const library = koffi.load("libc.so.6");
const syncFileRange = library.func("int sync_file_range(int fd, int64_t offset, int64_t nbytes, unsigned int flags)");
const syncfs = library.func("int syncfs(int fd)");

const [seed, ...files] = process.argv.slice(2);
const random = new Random(Number(seed));
const pauseWord = new Int32Array(new SharedArrayBuffer(4));

function writeBack(fd: number): void {
  const dice = random.next();
  if (dice < 0.03) syncfs(fd);
  else if (dice < 0.1) fdatasyncSync(fd);
  else {
    const pages = Math.ceil(fstatSync(fd).size / PAGE_BYTES);
    const first = random.below(pages);
    const count = 1 + random.below(random.chance(0.5) ? 4 : MOST_PAGES);
    syncFileRange(fd, first * PAGE_BYTES, count * PAGE_BYTES, SYNC_FILE_RANGE_WRITE);
  }
}

for (;;) {
  const file = random.pick(files);
  // Opened each time: a pool that is unmounted must not find somebody else in it.
  if (existsSync(file)) {
    const fd = openSync(file, "r");
    writeBack(fd);
    closeSync(fd);
  }
  Atomics.wait(pauseWord, 0, 0, random.next() * MOST_PAUSE_MS);
}
