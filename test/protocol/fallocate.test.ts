import { describe, expect, it } from "vitest";
import { type Row, testRows } from "./support/rows.js";
import { WireServer } from "./support/server.js";
import { DONE, MINUS, refusal, request, shown, u32, u64 } from "./support/wire.js";
import { errnoOf } from "./support/wireThread.js";

const FALLOCATE = 43;
const RESERVE = 0;
const KEEP_SIZE = 1;
const PUNCH = 3; // PUNCH_HOLE | KEEP_SIZE
const ZERO = 0x10;

function fallocate(
  mode: number,
  offset: number | bigint,
  length: number | bigint,
  nodeid: number | bigint = 2,
): Uint8Array {
  return request(
    FALLOCATE,
    nodeid,
    "00 00 00 00 00 00 00 00", // fh
    u64(offset), // offset
    u64(length), // length
    u32(mode), // mode
    "00 00 00 00", // padding
  );
}

/** All eight blocks mapped, every byte 5a. */
function full(server: WireServer): void {
  server.put(0, new Uint8Array(32768).fill(0x5a));
}

/** The file reads 5a except in `[from, end)`, where it reads zero. */
function expectZeroed(server: WireServer, from: number, end: number): void {
  const expected = new Uint8Array(32768).fill(0x5a).fill(0, from, end);
  expect(Buffer.compare(server.content(), expected)).toBe(0);
}

/** A range that reads zero afterwards, and the blocks that are mapped then. */
interface Zeroing {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  readonly map: string;
}

const zeroings: readonly Zeroing[] = [
  { name: "one block", offset: 4096, length: 4096, map: "#.######" },
  { name: "three blocks", offset: 4096, length: 12288, map: "#...####" },
  { name: "a part of one block", offset: 5000, length: 100, map: "########" },
  { name: "the beginning of a block", offset: 4096, length: 1, map: "########" },
  { name: "the end of a block", offset: 8191, length: 1, map: "########" },
  { name: "the edges of two blocks", offset: 8191, length: 2, map: "########" },
  { name: "edges and what is between", offset: 4095, length: 8194, map: "#..#####" },
  { name: "the first byte only left", offset: 1, length: 32767, map: "#......." },
  { name: "the last byte only left", offset: 0, length: 32767, map: ".......#" },
  { name: "all of it", offset: 0, length: 32768, map: "........" },
];

/** Zeroing past the end, which only KEEP_SIZE allows. */
const past: readonly Zeroing[] = [
  { name: "over the end", offset: 28672, length: 8192, map: "#######." },
  { name: "over the end, unaligned", offset: 28673, length: 2 ** 40, map: "########" },
  { name: "from 0 to 2^53 - 2", offset: 0, length: 2 ** 53 - 2, map: "........" },
];

function zeroingRows(mode: number, cases: readonly Zeroing[]): Row[] {
  return cases.map(({ name, offset, length, map }) => ({
    name,
    given: full,
    request: fallocate(mode, offset, length),
    reply: DONE,
    changes: "data",
    after: (server) => {
      expect(server.map()).toBe(map);
      expectZeroed(server, offset, offset + length);
      expect(server.pool.account.used).toBe([...map].filter((mark) => mark === "#").length);
      expect(server.pool.account.limbo).toBe(0);
      expect(server.file.sizeBytes).toBe(32768);
    },
  }));
}

describe("FALLOCATE PUNCH_HOLE", () => testRows(zeroingRows(PUNCH, [...zeroings, ...past])));
describe("FALLOCATE ZERO_RANGE", () => testRows(zeroingRows(ZERO, zeroings)));
describe("FALLOCATE ZERO_RANGE | KEEP_SIZE", () => testRows(zeroingRows(ZERO | KEEP_SIZE, [...zeroings, ...past])));

describe("FALLOCATE that has nothing to do", () => {
  testRows([
    { name: "a punch of holes", request: fallocate(PUNCH, 0, 32768), reply: DONE, changes: "time" },
    { name: "a punch of a part of a hole", request: fallocate(PUNCH, 1, 10), reply: DONE },
    { name: "a punch at the end", given: full, request: fallocate(PUNCH, 32768, 1), reply: DONE },
    { name: "a punch far behind the end", given: full, request: fallocate(PUNCH, 2 ** 52, 4096), reply: DONE },
    { name: "zeroing behind the end", given: full, request: fallocate(ZERO | 1, 2 ** 40, 1), reply: DONE },
    { name: "a reservation of what is mapped", given: full, request: fallocate(RESERVE, 0, 32768), reply: DONE },
    { name: "a reservation behind the end", request: fallocate(KEEP_SIZE, 32768, 4096), reply: DONE },
    { name: "one far behind the end", request: fallocate(KEEP_SIZE, 2 ** 52, 4096), reply: DONE },
  ]);
});

describe("FALLOCATE mode 0 reserves", () => {
  const reads0 = (server: WireServer): void => expect(server.content().every((byte) => byte === 0)).toBe(true);
  testRows([
    {
      name: "every block that the range touches",
      request: fallocate(RESERVE, 4095, 8194),
      reply: DONE,
      changes: "data",
      after: (server) => {
        expect(server.map()).toBe("####....");
        reads0(server);
      },
    },
    {
      name: "up to the end with KEEP_SIZE, over which it reaches",
      request: fallocate(KEEP_SIZE, 28672, 2 ** 40),
      reply: DONE,
      changes: "data",
      after: (server) => {
        expect(server.map()).toBe(".......#");
        reads0(server);
      },
    },
    {
      name: "the holes between data, which stays",
      given: (server) => server.put(8192, new Uint8Array(4096).fill(0x5a)),
      request: fallocate(RESERVE, 4096, 12288),
      reply: DONE,
      changes: "data",
      after: (server) => {
        expect(server.map()).toBe(".###....");
        expect(server.content().indexOf(0x5a)).toBe(8192);
        expect(server.content().lastIndexOf(0x5a)).toBe(12287);
      },
    },
    {
      name: "nothing when there are not pages enough: ENOSPC",
      dataPages: 4,
      given: (server) => server.put(0, new Uint8Array(4096).fill(0x5a)),
      request: fallocate(RESERVE, 0, 5 * 4096),
      reply: refusal(MINUS.ENOSPC),
    },
    {
      name: "all that there is",
      dataPages: 4,
      given: (server) => server.put(0, new Uint8Array(4096).fill(0x5a)),
      request: fallocate(RESERVE, 0, 4 * 4096),
      reply: DONE,
      changes: "data",
      after: (server) => expect(server.map()).toBe("####...."),
    },
  ]);
});

describe("FALLOCATE is refused", () => {
  testRows([
    { name: "length 0", given: full, request: fallocate(PUNCH, 0, 0), reply: refusal(MINUS.EINVAL) },
    { name: "length 0 far away", request: fallocate(PUNCH, 2 ** 52, 0), reply: refusal(MINUS.EINVAL) },
    { name: "a reservation that would grow the file", request: fallocate(0, 32768, 1), reply: refusal(MINUS.EFBIG) },
    { name: "one by a byte", request: fallocate(RESERVE, 0, 32769), reply: refusal(MINUS.EFBIG) },
    { name: "zeroing that would", given: full, request: fallocate(ZERO, 32767, 2), reply: refusal(MINUS.EFBIG) },
    { name: "offset 2^53", given: full, request: fallocate(PUNCH, 2n ** 53n, 1), reply: refusal(MINUS.EFBIG) },
    { name: "length 2^53", given: full, request: fallocate(PUNCH, 0, 2n ** 53n), reply: refusal(MINUS.EFBIG) },
    { name: "offset -1", given: full, request: fallocate(PUNCH, -1n, 1), reply: refusal(MINUS.EFBIG) },
    { name: "length -1", given: full, request: fallocate(PUNCH, 0, -1n), reply: refusal(MINUS.EFBIG) },
    {
      name: "a sum of 2^53",
      given: full,
      request: fallocate(PUNCH, 2 ** 52, 2 ** 52),
      reply: refusal(MINUS.EFBIG),
    },
    { name: "the directory", request: fallocate(PUNCH, 0, 1, 1), reply: refusal(MINUS.EISDIR) },
    { name: "node 3", request: fallocate(PUNCH, 0, 1, 3), reply: refusal(MINUS.ENOENT) },
    {
      name: "a punch of a read-only pool",
      readOnly: true,
      given: full,
      request: fallocate(PUNCH, 0, 4096),
      reply: refusal(MINUS.EROFS),
    },
    { name: "a reservation of one", readOnly: true, request: fallocate(0, 0, 1), reply: refusal(MINUS.EROFS) },
    {
      name: "zeroing one",
      readOnly: true,
      given: full,
      request: fallocate(ZERO, 0, 1),
      reply: refusal(MINUS.EROFS),
    },
  ]);
});

describe("FALLOCATE's other modes", () => {
  const known = new Set([RESERVE, KEEP_SIZE, PUNCH, ZERO, ZERO | KEEP_SIZE]);
  const others = Array.from({ length: 0x80 }, (_, mode) => mode).filter((mode) => !known.has(mode));

  it.each([...others, 0x8000_0000, 0x8000_0003, 0xffff_ffff])("%s is EOPNOTSUPP", (mode) => {
    const server = new WireServer({ given: full });
    const before = server.state();
    expect(shown(server.send(fallocate(mode, 0, 4096)))).toBe(shown(refusal(MINUS.EOPNOTSUPP)));
    expect(server.state()).toEqual(before);
  });

  it("and never ENOSYS, which the kernel would remember", () => {
    for (const mode of [...known, ...others]) {
      const server = new WireServer();
      for (const bytes of [fallocate(mode, 0, 4096), fallocate(mode, -1n, -1n), fallocate(mode, 0, 0, 3)]) {
        expect(errnoOf(server.send(bytes))).not.toBe(38);
      }
    }
  });
});
