import { describe, expect, it } from "vitest";
import { testRows } from "./support/rows.js";
import { WireServer } from "./support/server.js";
import { fill, MINUS, refusal, request, UNIQUE, u32, u64, wire } from "./support/wire.js";

const READ = 15;

function read(offset: number | bigint, size: number, nodeid: number | bigint = 2): Uint8Array {
  return request(
    READ,
    nodeid,
    "00 00 00 00 00 00 00 00", // fh
    u64(offset), // offset
    u32(size), // size
    "00 00 00 00", // read_flags
    "00 00 00 00 00 00 00 00", // lock_owner
    "02 80 00 00", // flags
    "00 00 00 00", // padding
  );
}

const nothing = wire(
  "10 00 00 00", // len: 16
  "00 00 00 00", // error: none
  UNIQUE, // unique
);

/** Block 1 all 11, block 2 a hole, block 3 all 33. */
function written(server: WireServer): void {
  server.put(4096, new Uint8Array(4096).fill(0x11));
  server.put(3 * 4096, new Uint8Array(4096).fill(0x33));
}

describe("READ", () => {
  testRows([
    {
      name: "a hole",
      request: read(0, 3),
      reply: wire(
        "13 00 00 00", // len: 19
        "00 00 00 00", // error: none
        UNIQUE, // unique
        "00 00 00", // data
      ),
    },
    {
      name: "a whole block",
      given: written,
      request: read(4096, 4096),
      reply: wire("10 10 00 00", "00 00 00 00", UNIQUE, fill(4096, 0x11)),
    },
    {
      name: "across hole, data, hole, data",
      given: written,
      request: read(4094, 8196),
      reply: wire(
        "14 20 00 00", // len: 8212
        "00 00 00 00", // error: none
        UNIQUE, // unique
        "00 00", // the end of block 0
        fill(4096, 0x11), // block 1
        fill(4096, 0x00), // block 2
        "33 33", // the beginning of block 3
      ),
    },
    {
      name: "what a short write left around it is zeros",
      given: (server) => server.put(10, new Uint8Array(2).fill(0x77)),
      request: read(8, 6),
      reply: wire("16 00 00 00", "00 00 00 00", UNIQUE, "00 00 77 77 00 00"),
    },
    { name: "no bytes", given: written, request: read(4096, 0), reply: nothing },
    {
      name: "up to the end",
      given: (server) => server.put(32766, new Uint8Array(2).fill(0x99)),
      request: read(32766, 4096),
      reply: wire("12 00 00 00", "00 00 00 00", UNIQUE, "99 99"),
    },
    { name: "at the end", request: read(32768, 4096), reply: nothing },
    { name: "behind the end", request: read(32769, 1), reply: nothing },
    { name: "at 2^32", request: read(2 ** 32, 1), reply: nothing },
    { name: "at 2^53 - 1", request: read(2 ** 53 - 1, 4096), reply: nothing },
    { name: "at 2^53", request: read(2n ** 53n, 1), reply: refusal(MINUS.EINVAL) },
    { name: "at -1", request: read(-1n, 1), reply: refusal(MINUS.EINVAL) },
    { name: "more than 1 MiB", request: read(0, 2 ** 20 + 1), reply: refusal(MINUS.EINVAL) },
    { name: "2^32 - 1 bytes", request: read(0, 2 ** 32 - 1), reply: refusal(MINUS.EINVAL) },
    { name: "the directory", request: read(0, 1, 1), reply: refusal(MINUS.EISDIR) },
    { name: "node 2^32 + 2", request: read(0, 1, 2n ** 32n + 2n), reply: refusal(MINUS.ENOENT) },
    {
      name: "in a read-only mount",
      readOnly: true,
      given: written,
      request: read(8191, 2),
      reply: wire("12 00 00 00", "00 00 00 00", UNIQUE, "11 00"),
    },
  ]);
});

describe("READ's iovecs", () => {
  it("name adjacent pages and holes once", () => {
    const server = new WireServer();
    server.put(4096, new Uint8Array(3 * 4096).fill(1));
    server.send(read(0, 32768));
    // The header, the hole at block 0, blocks 1 to 3, the holes 4 to 7.
    expect(server.exchange.iovecs.count).toBe(4);
  });

  it("are few enough for the largest READ that hits a hole at every other block", () => {
    const server = new WireServer({ blocks: 260, maxBlocks: 260, dataPages: 260 });
    for (let block = 0; block < 260; block += 2) server.put(block * 4096, new Uint8Array(4096).fill(block));
    const reply = server.send(read(2048, 2 ** 20));
    // The header and 257 blocks, the first and the last of them halves.
    expect(server.exchange.iovecs.count).toBe(258);
    expect(Buffer.compare(reply!.subarray(16), server.content().subarray(2048, 2048 + 2 ** 20))).toBe(0);
  });
});
