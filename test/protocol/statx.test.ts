import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { fill, MINUS, refusal, request, UNIQUE, wire } from "./support/wire.js";

const STATX = 52;

const body = [
  "00 00 00 00", // getattr_flags
  "00 00 00 00", // reserved
  "00 00 00 00 00 00 00 00", // fh
  "00 00 00 00", // sx_flags
  "ff 0f 00 00", // sx_mask: basic stats and btime
];

const statxOfDisk = wire(
  "30 01 00 00", // len: 304
  "00 00 00 00", // error: none
  UNIQUE, // unique
  "00 00 00 00 00 00 00 00", // attr_valid: not at all
  "00 00 00 00", // attr_valid_nsec
  "00 00 00 00", // flags
  fill(16), // spare
  "ff 07 00 00", // mask: STATX_BASIC_STATS
  "00 10 00 00", // blksize: 4096
  "00 00 00 00 00 00 00 00", // attributes
  "01 00 00 00", // nlink
  "e8 03 00 00", // uid: 1000
  "e8 03 00 00", // gid: 1000
  "80 81", // mode
  "00 00", // __spare0
  "02 00 00 00 00 00 00 00", // ino
  "00 80 00 00 00 00 00 00", // size
  "08 00 00 00 00 00 00 00", // blocks
  "00 00 00 00 00 00 00 00", // attributes_mask
  "00 f1 53 65 00 00 00 00", // atime.tv_sec
  "80 b2 e6 0e", // atime.tv_nsec
  "00 00 00 00", // atime.__reserved
  fill(16), // btime
  "00 f1 53 65 00 00 00 00", // ctime.tv_sec
  "80 b2 e6 0e", // ctime.tv_nsec
  "00 00 00 00", // ctime.__reserved
  "00 f1 53 65 00 00 00 00", // mtime.tv_sec
  "80 b2 e6 0e", // mtime.tv_nsec
  "00 00 00 00", // mtime.__reserved
  "00 00 00 00", // rdev_major
  "00 00 00 00", // rdev_minor
  "00 00 00 00", // dev_major
  "00 00 00 00", // dev_minor
  fill(112), // __spare2
);

const statxOfRoot = wire(
  "30 01 00 00", // len: 304
  "00 00 00 00", // error: none
  UNIQUE, // unique
  "00 00 00 00 00 00 00 00", // attr_valid: not at all
  "00 00 00 00", // attr_valid_nsec
  "00 00 00 00", // flags
  fill(16), // spare
  "ff 07 00 00", // mask: STATX_BASIC_STATS
  "00 10 00 00", // blksize: 4096
  "00 00 00 00 00 00 00 00", // attributes
  "02 00 00 00", // nlink
  "e8 03 00 00", // uid: 1000
  "e8 03 00 00", // gid: 1000
  "ed 41", // mode
  "00 00", // __spare0
  "01 00 00 00 00 00 00 00", // ino
  "00 00 00 00 00 00 00 00", // size
  "00 00 00 00 00 00 00 00", // blocks
  "00 00 00 00 00 00 00 00", // attributes_mask
  "00 f1 53 65 00 00 00 00", // atime.tv_sec
  "80 b2 e6 0e", // atime.tv_nsec
  "00 00 00 00", // atime.__reserved
  fill(16), // btime
  "00 f1 53 65 00 00 00 00", // ctime.tv_sec
  "80 b2 e6 0e", // ctime.tv_nsec
  "00 00 00 00", // ctime.__reserved
  "00 f1 53 65 00 00 00 00", // mtime.tv_sec
  "80 b2 e6 0e", // mtime.tv_nsec
  "00 00 00 00", // mtime.__reserved
  "00 00 00 00", // rdev_major
  "00 00 00 00", // rdev_minor
  "00 00 00 00", // dev_major
  "00 00 00 00", // dev_minor
  fill(112), // __spare2
);

describe("STATX", () => {
  testRows([
    {
      name: "the file with one block",
      given: (server) => server.put(0, new Uint8Array(1)),
      request: request(STATX, 2, ...body),
      reply: statxOfDisk,
    },
    { name: "the directory", request: request(STATX, 1, ...body), reply: statxOfRoot },
    { name: "node 3", request: request(STATX, 3, ...body), reply: refusal(MINUS.ENOENT) },
  ]);
});
