import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { fill, MINUS, refusal, request, UNIQUE, u32, u64, wire } from "./support/wire.js";

const READDIR = 28;
const READDIRPLUS = 44;

function readdir(opcode: number, offset: number | bigint, size: number, nodeid: number | bigint = 1): Uint8Array {
  return request(
    opcode,
    nodeid,
    "00 00 00 00 00 00 00 00", // fh
    u64(offset), // offset
    u32(size), // size
    "00 00 00 00", // read_flags
    "00 00 00 00 00 00 00 00", // lock_owner
    "00 00 00 00", // flags
    "00 00 00 00", // padding
  );
}

const dot = [
  "01 00 00 00 00 00 00 00", // ino: 1
  "01 00 00 00 00 00 00 00", // off: the next is 1
  "01 00 00 00", // namelen: 1
  "04 00 00 00", // type: DT_DIR
  "2e 00 00 00 00 00 00 00", // "."
];

const dotDot = [
  "01 00 00 00 00 00 00 00", // ino: 1
  "02 00 00 00 00 00 00 00", // off: the next is 2
  "02 00 00 00", // namelen: 2
  "04 00 00 00", // type: DT_DIR
  "2e 2e 00 00 00 00 00 00", // ".."
];

const disk = [
  "02 00 00 00 00 00 00 00", // ino: 2
  "03 00 00 00 00 00 00 00", // off: the next is 3
  "04 00 00 00", // namelen: 4
  "08 00 00 00", // type: DT_REG
  "64 69 73 6b 00 00 00 00", // "disk"
];

/** The kernel counts a lookup for each entry with a nodeid, so that these two have none. */
const noEntry = fill(128);

const entryOfDisk = [
  "02 00 00 00 00 00 00 00", // nodeid: 2
  "00 00 00 00 00 00 00 00", // generation
  "10 0e 00 00 00 00 00 00", // entry_valid: 3600 s
  "00 00 00 00 00 00 00 00", // attr_valid: not at all
  "00 00 00 00", // entry_valid_nsec
  "00 00 00 00", // attr_valid_nsec
  "02 00 00 00 00 00 00 00", // attr.ino: 2
  "00 80 00 00 00 00 00 00", // attr.size: 32768
  "00 00 00 00 00 00 00 00", // attr.blocks: none
  "00 f1 53 65 00 00 00 00", // attr.atime
  "00 f1 53 65 00 00 00 00", // attr.mtime
  "00 f1 53 65 00 00 00 00", // attr.ctime
  "80 b2 e6 0e", // attr.atimensec: 250 ms
  "80 b2 e6 0e", // attr.mtimensec
  "80 b2 e6 0e", // attr.ctimensec
  "80 81 00 00", // attr.mode: 0100600
  "01 00 00 00", // attr.nlink: 1
  "e8 03 00 00", // attr.uid: 1000
  "e8 03 00 00", // attr.gid: 1000
  "00 00 00 00", // attr.rdev
  "00 10 00 00", // attr.blksize: 4096
  "00 00 00 00", // attr.flags
];

const empty = wire("10 00 00 00", "00 00 00 00", UNIQUE);
const all = wire("70 00 00 00", "00 00 00 00", UNIQUE, ...dot, ...dotDot, ...disk);
const fromDotDot = wire("50 00 00 00", "00 00 00 00", UNIQUE, ...dotDot, ...disk);
const onlyDisk = wire("30 00 00 00", "00 00 00 00", UNIQUE, ...disk);
const onlyDot = wire("30 00 00 00", "00 00 00 00", UNIQUE, ...dot);
const dots = wire("50 00 00 00", "00 00 00 00", UNIQUE, ...dot, ...dotDot);

describe("READDIR", () => {
  testRows([
    { name: "all", request: readdir(READDIR, 0, 4096), reply: all },
    { name: "into exactly enough", request: readdir(READDIR, 0, 96), reply: all },
    { name: "into one byte too few", request: readdir(READDIR, 0, 95), reply: dots },
    { name: "one at a time", request: readdir(READDIR, 0, 32), reply: onlyDot },
    { name: "into too few for one", request: readdir(READDIR, 0, 31), reply: empty },
    { name: "into nothing", request: readdir(READDIR, 0, 0), reply: empty },
    { name: "into 2^32 - 1 bytes", request: readdir(READDIR, 0, 2 ** 32 - 1), reply: all },
    { name: "from 1", request: readdir(READDIR, 1, 4096), reply: fromDotDot },
    { name: "from 2", request: readdir(READDIR, 2, 4096), reply: onlyDisk },
    { name: "from the end", request: readdir(READDIR, 3, 4096), reply: empty },
    { name: "from behind the end", request: readdir(READDIR, 4, 4096), reply: empty },
    { name: "from 2^32", request: readdir(READDIR, 2 ** 32, 4096), reply: empty },
    { name: "from 2^53 - 1", request: readdir(READDIR, 2 ** 53 - 1, 4096), reply: empty },
    { name: "from 2^63", request: readdir(READDIR, 2n ** 63n, 4096), reply: empty },
    { name: "from -1", request: readdir(READDIR, -1n, 4096), reply: empty },
    { name: "the file", request: readdir(READDIR, 0, 4096, 2), reply: refusal(MINUS.ENOTDIR) },
    { name: "node 3", request: readdir(READDIR, 0, 4096, 3), reply: refusal(MINUS.ENOENT) },
  ]);
});

describe("READDIRPLUS", () => {
  testRows([
    {
      name: "all",
      request: readdir(READDIRPLUS, 0, 4096),
      reply: wire(
        "f0 01 00 00", // len: 496
        "00 00 00 00", // error: none
        UNIQUE, // unique
        noEntry,
        ...dot,
        noEntry,
        ...dotDot,
        ...entryOfDisk,
        ...disk,
      ),
    },
    {
      name: "into one byte too few",
      request: readdir(READDIRPLUS, 0, 479),
      reply: wire("50 01 00 00", "00 00 00 00", UNIQUE, noEntry, ...dot, noEntry, ...dotDot),
    },
    { name: "into too few for one", request: readdir(READDIRPLUS, 0, 159), reply: empty },
    {
      name: "from 2",
      request: readdir(READDIRPLUS, 2, 4096),
      reply: wire("b0 00 00 00", "00 00 00 00", UNIQUE, ...entryOfDisk, ...disk),
    },
    { name: "from the end", request: readdir(READDIRPLUS, 3, 4096), reply: empty },
    { name: "from -1", request: readdir(READDIRPLUS, -1n, 4096), reply: empty },
    { name: "the file", request: readdir(READDIRPLUS, 0, 4096, 2), reply: refusal(MINUS.ENOTDIR) },
  ]);
});
