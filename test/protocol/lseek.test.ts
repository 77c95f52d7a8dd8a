import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import type { WireServer } from "./support/server.js";
import { MINUS, refusal, request, UNIQUE, u32, u64, wire } from "./support/wire.js";

const LSEEK = 46;
const DATA = 3;
const HOLE = 4;

function lseek(whence: number, offset: number | bigint, nodeid: number | bigint = 2): Uint8Array {
  return request(
    LSEEK,
    nodeid,
    "00 00 00 00 00 00 00 00", // fh
    u64(offset), // offset
    u32(whence), // whence
    "00 00 00 00", // padding
  );
}

/** @param offset the eight bytes of the offset that was found */
function found(offset: string): Uint8Array {
  return wire(
    "18 00 00 00", // len: 24
    "00 00 00 00", // error: none
    UNIQUE, // unique
    offset, // offset
  );
}

/** Blocks 2 and 3 mapped: `..##....` */
function given(server: WireServer): void {
  server.put(8192, new Uint8Array(8192).fill(1));
}

const END = "00 80 00 00 00 00 00 00"; // 32768
const full = (server: WireServer): void => server.put(0, new Uint8Array(32768));

describe("LSEEK", () => {
  testRows([
    { name: "data from 0", given, request: lseek(DATA, 0), reply: found("00 20 00 00 00 00 00 00") },
    { name: "data from the byte before", given, request: lseek(DATA, 8191), reply: found("00 20 00 00 00 00 00 00") },
    { name: "data from inside", given, request: lseek(DATA, 8193), reply: found("01 20 00 00 00 00 00 00") },
    { name: "data from its last byte", given, request: lseek(DATA, 16383), reply: found("ff 3f 00 00 00 00 00 00") },
    { name: "data behind the last", given, request: lseek(DATA, 16384), reply: refusal(MINUS.ENXIO) },
    { name: "data where there is none", request: lseek(DATA, 0), reply: refusal(MINUS.ENXIO) },
    { name: "data at the end", given: full, request: lseek(DATA, 32768), reply: refusal(MINUS.ENXIO) },
    {
      name: "data at the last byte",
      given: full,
      request: lseek(DATA, 32767),
      reply: found("ff 7f 00 00 00 00 00 00"),
    },
    { name: "a hole from 0", given, request: lseek(HOLE, 0), reply: found("00 00 00 00 00 00 00 00") },
    { name: "a hole inside a hole", given, request: lseek(HOLE, 1), reply: found("01 00 00 00 00 00 00 00") },
    { name: "a hole behind data", given, request: lseek(HOLE, 8192), reply: found("00 40 00 00 00 00 00 00") },
    { name: "a hole in a full file: its end", given: full, request: lseek(HOLE, 5), reply: found(END) },
    { name: "a hole at the end", request: lseek(HOLE, 32768), reply: refusal(MINUS.ENXIO) },
    { name: "a hole behind the end", request: lseek(HOLE, 32769), reply: refusal(MINUS.ENXIO) },
    { name: "from 2^32", given, request: lseek(DATA, 2 ** 32), reply: refusal(MINUS.ENXIO) },
    { name: "from 2^53 - 1", given, request: lseek(HOLE, 2 ** 53 - 1), reply: refusal(MINUS.ENXIO) },
    { name: "from -1", given, request: lseek(DATA, -1n), reply: refusal(MINUS.EINVAL) },
    { name: "SEEK_SET, which is the kernel's own", request: lseek(0, 0), reply: refusal(MINUS.EINVAL) },
    { name: "SEEK_END, too", request: lseek(2, 0), reply: refusal(MINUS.EINVAL) },
    { name: "whence 5", request: lseek(5, 0), reply: refusal(MINUS.EINVAL) },
    { name: "whence 2^32 - 1", request: lseek(2 ** 32 - 1, 0), reply: refusal(MINUS.EINVAL) },
    { name: "the directory", request: lseek(DATA, 0, 1), reply: refusal(MINUS.EISDIR) },
    { name: "node 3", request: lseek(DATA, 0, 3), reply: refusal(MINUS.ENOENT) },
  ]);
});
