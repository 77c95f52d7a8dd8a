import { describe, expect, it } from "vitest";
import { type Row, testRows } from "./support/rows.js";
import { WireServer } from "./support/server.js";
import { MINUS, refusal, request, shown, UNIQUE, u32, u64, wire } from "./support/wire.js";

const SETATTR = 4;
const MODE = 1;
const UID = 2;
const GID = 4;
const SIZE = 8;
const ATIME = 16;
const MTIME = 32;
const ATIME_NOW = 128;
const MTIME_NOW = 256;

/** A request that names all fields; `valid` says which of them count. */
function setattr(valid: number, size: number | bigint = 0, nodeid: number | bigint = 2): Uint8Array {
  return request(
    SETATTR,
    nodeid,
    u32(valid), // valid
    "00 00 00 00", // padding
    "00 00 00 00 00 00 00 00", // fh
    u64(size), // size
    "00 00 00 00 00 00 00 00", // lock_owner
    "11 00 00 00 00 00 00 00", // atime: 17
    "22 00 00 00 01 00 00 00", // mtime: 2^32 + 34
    "33 00 00 00 00 00 00 00", // ctime
    "12 00 00 00", // atimensec: 18
    "23 00 00 00", // mtimensec: 35
    "34 00 00 00", // ctimensec
    "a4 81 00 00", // mode: 0100644
    "00 00 00 00", // unused4
    "d1 07 00 00", // uid: 2001
    "d2 07 00 00", // gid: 2002
    "00 00 00 00", // unused5
  );
}

function twoSecondsLater(server: WireServer): void {
  server.nowMs += 2000;
}

/** Two seconds after the mount, with two blocks mapped. */
function later(server: WireServer): void {
  server.put(0, new Uint8Array(4096).fill(0x5a));
  server.put(7 * 4096, new Uint8Array(4096).fill(0xa5));
  twoSecondsLater(server);
}

const sized: readonly Row[] = [
  {
    name: "a larger size",
    request: setattr(SIZE, 12 * 4096),
    given: later,
    changes: "data",
    reply: wire(
      "78 00 00 00", // len: 120
      "00 00 00 00", // error: none
      UNIQUE, // unique
      "00 00 00 00 00 00 00 00", // attr_valid: not at all
      "00 00 00 00", // attr_valid_nsec
      "00 00 00 00", // dummy
      "02 00 00 00 00 00 00 00", // ino: 2
      "00 c0 00 00 00 00 00 00", // size: 49152
      "10 00 00 00 00 00 00 00", // blocks: 16
      "00 f1 53 65 00 00 00 00", // atime
      "00 f1 53 65 00 00 00 00", // mtime
      "02 f1 53 65 00 00 00 00", // ctime: two seconds later
      "80 b2 e6 0e", // atimensec: 250 ms
      "80 b2 e6 0e", // mtimensec
      "80 b2 e6 0e", // ctimensec
      "80 81 00 00", // mode: 0100600
      "01 00 00 00", // nlink: 1
      "e8 03 00 00", // uid: 1000
      "e8 03 00 00", // gid: 1000
      "00 00 00 00", // rdev
      "00 10 00 00", // blksize: 4096
      "00 00 00 00", // flags
    ),
    after: (server) => expect(server.map()).toBe("#......#...."),
  },
  {
    name: "a smaller size gives the pages behind it back",
    request: setattr(SIZE, 4096),
    given: later,
    changes: "data",
    reply: wire(
      "78 00 00 00", // len: 120
      "00 00 00 00", // error: none
      UNIQUE, // unique
      "00 00 00 00 00 00 00 00", // attr_valid: not at all
      "00 00 00 00", // attr_valid_nsec
      "00 00 00 00", // dummy
      "02 00 00 00 00 00 00 00", // ino: 2
      "00 10 00 00 00 00 00 00", // size: 4096
      "08 00 00 00 00 00 00 00", // blocks: 8
      "00 f1 53 65 00 00 00 00", // atime
      "02 f1 53 65 00 00 00 00", // mtime: two seconds later
      "02 f1 53 65 00 00 00 00", // ctime: two seconds later
      "80 b2 e6 0e", // atimensec: 250 ms
      "80 b2 e6 0e", // mtimensec
      "80 b2 e6 0e", // ctimensec
      "80 81 00 00", // mode: 0100600
      "01 00 00 00", // nlink: 1
      "e8 03 00 00", // uid: 1000
      "e8 03 00 00", // gid: 1000
      "00 00 00 00", // rdev
      "00 10 00 00", // blksize: 4096
      "00 00 00 00", // flags
    ),
    after: (server) => {
      expect(server.map()).toBe("#");
      expect(server.pool.account.used).toBe(1);
    },
  },
];

const owned: readonly Row[] = [
  {
    name: "mode, owner and group",
    request: setattr(MODE | UID | GID),
    given: twoSecondsLater,
    changes: "data",
    reply: wire(
      "78 00 00 00", // len: 120
      "00 00 00 00", // error: none
      UNIQUE, // unique
      "00 00 00 00 00 00 00 00", // attr_valid: not at all
      "00 00 00 00", // attr_valid_nsec
      "00 00 00 00", // dummy
      "02 00 00 00 00 00 00 00", // ino: 2
      "00 80 00 00 00 00 00 00", // size: 32768
      "00 00 00 00 00 00 00 00", // blocks: none
      "00 f1 53 65 00 00 00 00", // atime
      "00 f1 53 65 00 00 00 00", // mtime
      "02 f1 53 65 00 00 00 00", // ctime: two seconds later
      "80 b2 e6 0e", // atimensec: 250 ms
      "80 b2 e6 0e", // mtimensec
      "80 b2 e6 0e", // ctimensec
      "a4 81 00 00", // mode: 0100644
      "01 00 00 00", // nlink: 1
      "d1 07 00 00", // uid: 2001
      "d2 07 00 00", // gid: 2002
      "00 00 00 00", // rdev
      "00 10 00 00", // blksize: 4096
      "00 00 00 00", // flags
    ),
  },
  {
    name: "both times",
    request: setattr(ATIME | MTIME),
    given: twoSecondsLater,
    changes: "data",
    reply: wire(
      "78 00 00 00", // len: 120
      "00 00 00 00", // error: none
      UNIQUE, // unique
      "00 00 00 00 00 00 00 00", // attr_valid: not at all
      "00 00 00 00", // attr_valid_nsec
      "00 00 00 00", // dummy
      "02 00 00 00 00 00 00 00", // ino: 2
      "00 80 00 00 00 00 00 00", // size: 32768
      "00 00 00 00 00 00 00 00", // blocks: none
      "11 00 00 00 00 00 00 00", // atime: 17
      "22 00 00 00 01 00 00 00", // mtime: 2^32 + 34
      "02 f1 53 65 00 00 00 00", // ctime: two seconds later
      "12 00 00 00", // atimensec: 18
      "23 00 00 00", // mtimensec: 35
      "80 b2 e6 0e", // ctimensec
      "80 81 00 00", // mode: 0100600
      "01 00 00 00", // nlink: 1
      "e8 03 00 00", // uid: 1000
      "e8 03 00 00", // gid: 1000
      "00 00 00 00", // rdev
      "00 10 00 00", // blksize: 4096
      "00 00 00 00", // flags
    ),
  },
  {
    name: "both times to now",
    request: setattr(ATIME | MTIME | ATIME_NOW | MTIME_NOW),
    given: twoSecondsLater,
    changes: "data",
    reply: wire(
      "78 00 00 00", // len: 120
      "00 00 00 00", // error: none
      UNIQUE, // unique
      "00 00 00 00 00 00 00 00", // attr_valid: not at all
      "00 00 00 00", // attr_valid_nsec
      "00 00 00 00", // dummy
      "02 00 00 00 00 00 00 00", // ino: 2
      "00 80 00 00 00 00 00 00", // size: 32768
      "00 00 00 00 00 00 00 00", // blocks: none
      "02 f1 53 65 00 00 00 00", // atime: two seconds later
      "02 f1 53 65 00 00 00 00", // mtime: two seconds later
      "02 f1 53 65 00 00 00 00", // ctime: two seconds later
      "80 b2 e6 0e", // atimensec: 250 ms
      "80 b2 e6 0e", // mtimensec
      "80 b2 e6 0e", // ctimensec
      "80 81 00 00", // mode: 0100600
      "01 00 00 00", // nlink: 1
      "e8 03 00 00", // uid: 1000
      "e8 03 00 00", // gid: 1000
      "00 00 00 00", // rdev
      "00 10 00 00", // blksize: 4096
      "00 00 00 00", // flags
    ),
  },
];

/** The same request with a time before 1970, as `touch -d 1960-01-01` sends it. */
function beforeEpoch(): Uint8Array {
  const bytes = setattr(ATIME | MTIME);
  // The header, then 32 bytes, then atime and mtime: -1 and -315619200.
  bytes.set(wire("ff ff ff ff ff ff ff ff", "80 08 30 ed ff ff ff ff"), 40 + 32);
  return bytes;
}

const early: Row = {
  name: "times before 1970",
  request: beforeEpoch(),
  given: twoSecondsLater,
  changes: "data",
  reply: wire(
    "78 00 00 00", // len: 120
    "00 00 00 00", // error: none
    UNIQUE, // unique
    "00 00 00 00 00 00 00 00", // attr_valid: not at all
    "00 00 00 00", // attr_valid_nsec
    "00 00 00 00", // dummy
    "02 00 00 00 00 00 00 00", // ino: 2
    "00 80 00 00 00 00 00 00", // size: 32768
    "00 00 00 00 00 00 00 00", // blocks: none
    "ff ff ff ff ff ff ff ff", // atime: -1
    "80 08 30 ed ff ff ff ff", // mtime: 1960-01-01
    "02 f1 53 65 00 00 00 00", // ctime: two seconds later
    "12 00 00 00", // atimensec: 18
    "23 00 00 00", // mtimensec: 35
    "80 b2 e6 0e", // ctimensec
    "80 81 00 00", // mode: 0100600
    "01 00 00 00", // nlink: 1
    "e8 03 00 00", // uid: 1000
    "e8 03 00 00", // gid: 1000
    "00 00 00 00", // rdev
    "00 10 00 00", // blksize: 4096
    "00 00 00 00", // flags
  ),
};

/** With the mode too, which must not change either. */
const refused: readonly Row[] = [
  { name: "a size that is not whole blocks", request: setattr(SIZE | MODE, 4097), reply: refusal(MINUS.EINVAL) },
  { name: "more than the maximum", request: setattr(SIZE | MODE, 13 * 4096), reply: refusal(MINUS.EFBIG) },
  { name: "2^53 bytes", request: setattr(SIZE | MODE, 2n ** 53n), reply: refusal(MINUS.EFBIG) },
  { name: "2^64 - 4096 bytes", request: setattr(SIZE | MODE, 2n ** 64n - 4096n), reply: refusal(MINUS.EFBIG) },
  { name: "the directory", request: setattr(MODE, 0, 1), reply: refusal(MINUS.EPERM) },
  { name: "node 3", request: setattr(MODE, 0, 3), reply: refusal(MINUS.ENOENT) },
  { name: "read-only: mode", readOnly: true, request: setattr(MODE), reply: refusal(MINUS.EROFS) },
  { name: "read-only: size", readOnly: true, request: setattr(SIZE, 4096), reply: refusal(MINUS.EROFS) },
];

describe("a change of data and one of attributes in the same second", () => {
  it("ctime never goes back", () => {
    const server = new WireServer();
    server.nowMs += 100; // 350 ms
    server.put(0, Uint8Array.of(1));
    server.nowMs += 200; // 550 ms
    const reply = server.send(setattr(MODE));
    const ctimensecAt = 16 + 16 + 56;
    expect(shown(reply!.subarray(ctimensecAt, ctimensecAt + 4))).toBe("80 55 c8 20");
  });
});

describe("SETATTR", () => testRows([...sized, ...owned, early, ...refused]));
