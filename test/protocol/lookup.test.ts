import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { fill, MINUS, refusal, request, UNIQUE, wire } from "./support/wire.js";

const LOOKUP = 1;

const entryOfDisk = wire(
  "90 00 00 00", // len: 144
  "00 00 00 00", // error: none
  UNIQUE, // unique
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
);

const diskName = "64 69 73 6b 00"; // "disk"

describe("LOOKUP", () => {
  testRows([
    { name: "disk", request: request(LOOKUP, 1, diskName), reply: entryOfDisk },
    { name: "disk in a read-only mount", readOnly: true, request: request(LOOKUP, 1, diskName), reply: entryOfDisk },
    { name: "another name", request: request(LOOKUP, 1, "64 69 73 6c 00"), reply: refusal(MINUS.ENOENT) },
    { name: "the beginning of the name", request: request(LOOKUP, 1, "64 69 73 00"), reply: refusal(MINUS.ENOENT) },
    { name: "a longer name", request: request(LOOKUP, 1, "64 69 73 6b 73 00"), reply: refusal(MINUS.ENOENT) },
    { name: "in other case", request: request(LOOKUP, 1, "44 49 53 4b 00"), reply: refusal(MINUS.ENOENT) },
    { name: "an empty name", request: request(LOOKUP, 1, "00"), reply: refusal(MINUS.EINVAL) },
    { name: "no name at all", request: request(LOOKUP, 1), reply: refusal(MINUS.EINVAL) },
    { name: "a name without its NUL", request: request(LOOKUP, 1, "64 69 73 6b"), reply: refusal(MINUS.EINVAL) },
    { name: "a NUL inside", request: request(LOOKUP, 1, "64 00 73 6b 00"), reply: refusal(MINUS.EINVAL) },
    { name: "bytes behind the NUL", request: request(LOOKUP, 1, diskName, "00"), reply: refusal(MINUS.EINVAL) },
    { name: "255 bytes", request: request(LOOKUP, 1, fill(255, 0x61), "00"), reply: refusal(MINUS.ENOENT) },
    { name: "256 bytes", request: request(LOOKUP, 1, fill(256, 0x61), "00"), reply: refusal(MINUS.ENAMETOOLONG) },
    { name: "4095 bytes", request: request(LOOKUP, 1, fill(4095, 0x61), "00"), reply: refusal(MINUS.ENAMETOOLONG) },
    { name: "a name under the file", request: request(LOOKUP, 2, diskName), reply: refusal(MINUS.ENOTDIR) },
    { name: "under node 0", request: request(LOOKUP, 0, diskName), reply: refusal(MINUS.ENOENT) },
    { name: "under node 3", request: request(LOOKUP, 3, diskName), reply: refusal(MINUS.ENOENT) },
    { name: "under node 2^32 + 1", request: request(LOOKUP, 2n ** 32n + 1n, diskName), reply: refusal(MINUS.ENOENT) },
    { name: "under node 2^64 - 1", request: request(LOOKUP, 2n ** 64n - 1n, diskName), reply: refusal(MINUS.ENOENT) },
  ]);
});
