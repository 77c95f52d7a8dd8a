import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { MINUS, refusal, request, UNIQUE, wire } from "./support/wire.js";

const GETATTR = 3;

const body = [
  "00 00 00 00", // getattr_flags
  "00 00 00 00", // dummy
  "00 00 00 00 00 00 00 00", // fh
];

const attrOfDisk = wire(
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
  "00 f1 53 65 00 00 00 00", // ctime
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
);

const attrOfRoot = wire(
  "78 00 00 00", // len: 120
  "00 00 00 00", // error: none
  UNIQUE, // unique
  "00 00 00 00 00 00 00 00", // attr_valid: not at all
  "00 00 00 00", // attr_valid_nsec
  "00 00 00 00", // dummy
  "01 00 00 00 00 00 00 00", // ino: 1
  "00 00 00 00 00 00 00 00", // size
  "00 00 00 00 00 00 00 00", // blocks: none
  "00 f1 53 65 00 00 00 00", // atime
  "00 f1 53 65 00 00 00 00", // mtime
  "00 f1 53 65 00 00 00 00", // ctime
  "80 b2 e6 0e", // atimensec: 250 ms
  "80 b2 e6 0e", // mtimensec
  "80 b2 e6 0e", // ctimensec
  "ed 41 00 00", // mode: 040755
  "02 00 00 00", // nlink: 2
  "e8 03 00 00", // uid: 1000
  "e8 03 00 00", // gid: 1000
  "00 00 00 00", // rdev
  "00 10 00 00", // blksize: 4096
  "00 00 00 00", // flags
);

const attrOfWrittenDisk = wire(
  "78 00 00 00", // len: 120
  "00 00 00 00", // error: none
  UNIQUE, // unique
  "00 00 00 00 00 00 00 00", // attr_valid: not at all
  "00 00 00 00", // attr_valid_nsec
  "00 00 00 00", // dummy
  "02 00 00 00 00 00 00 00", // ino: 2
  "00 80 00 00 00 00 00 00", // size: 32768
  "10 00 00 00 00 00 00 00", // blocks: 16 sectors, two pages
  "00 f1 53 65 00 00 00 00", // atime
  "01 f1 53 65 00 00 00 00", // mtime: a second later
  "01 f1 53 65 00 00 00 00", // ctime: a second later
  "80 b2 e6 0e", // atimensec: 250 ms
  "00 00 00 00", // mtimensec
  "00 00 00 00", // ctimensec
  "80 81 00 00", // mode: 0100600
  "01 00 00 00", // nlink: 1
  "e8 03 00 00", // uid: 1000
  "e8 03 00 00", // gid: 1000
  "00 00 00 00", // rdev
  "00 10 00 00", // blksize: 4096
  "00 00 00 00", // flags
);

describe("GETATTR", () => {
  testRows([
    { name: "the file", request: request(GETATTR, 2, ...body), reply: attrOfDisk },
    { name: "the file, read-only", readOnly: true, request: request(GETATTR, 2, ...body), reply: attrOfDisk },
    {
      name: "the file with two blocks written a second later",
      given: (server) => {
        server.nowMs += 750;
        server.put(4095, new Uint8Array(2).fill(1));
      },
      request: request(GETATTR, 2, ...body),
      reply: attrOfWrittenDisk,
    },
    { name: "the directory", request: request(GETATTR, 1, ...body), reply: attrOfRoot },
    { name: "node 0", request: request(GETATTR, 0, ...body), reply: refusal(MINUS.ENOENT) },
    { name: "node 3", request: request(GETATTR, 3, ...body), reply: refusal(MINUS.ENOENT) },
    { name: "node 2^32 + 2", request: request(GETATTR, 2n ** 32n + 2n, ...body), reply: refusal(MINUS.ENOENT) },
    { name: "node 2^63 + 2", request: request(GETATTR, 2n ** 63n + 2n, ...body), reply: refusal(MINUS.ENOENT) },
  ]);
});
