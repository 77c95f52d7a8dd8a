import { describe, expect, it } from "vitest";
import { CONTROL } from "../../src/pool/sharedState.js";
import { testRows } from "./support/rows.js";
import { WireServer } from "./support/server.js";
import { fill, MINUS, refusal, request, shown, UNIQUE, u32, u64, wire } from "./support/wire.js";

const WRITE = 16;

function write(offset: number | bigint, size: number, data: string, nodeid: number | bigint = 2): Uint8Array {
  return request(
    WRITE,
    nodeid,
    "00 00 00 00 00 00 00 00", // fh
    u64(offset), // offset
    u32(size), // size
    "00 00 00 00", // write_flags
    "00 00 00 00 00 00 00 00", // lock_owner
    "01 80 00 00", // flags
    "00 00 00 00", // padding
    data, // data
  );
}

/** @param size the four bytes of the size that was written */
function wrote(size: string): Uint8Array {
  return wire(
    "18 00 00 00", // len: 24
    "00 00 00 00", // error: none
    UNIQUE, // unique
    size, // size
    "00 00 00 00", // padding
  );
}

describe("WRITE", () => {
  testRows([
    {
      name: "three bytes into a hole",
      request: write(4097, 3, "aa bb cc"),
      reply: wrote("03 00 00 00"),
      changes: "data",
      after: (server) => {
        expect(server.map()).toBe(".#......");
        expect(shown(server.content().subarray(4096, 4104))).toBe("00 aa bb cc 00 00 00 00");
      },
    },
    {
      name: "over the border of a mapped block and a hole",
      given: (server) => server.put(0, new Uint8Array(4096).fill(0x11)),
      request: write(4095, 2, "aa bb"),
      reply: wrote("02 00 00 00"),
      changes: "data",
      after: (server) => {
        expect(server.map()).toBe("##......");
        expect(shown(server.content().subarray(4094, 4098))).toBe("11 aa bb 00");
      },
    },
    {
      name: "two whole blocks",
      request: write(8192, 8192, fill(8192, 0x42)),
      reply: wrote("00 20 00 00"),
      changes: "data",
      after: (server) => {
        expect(server.map()).toBe("..##....");
        expect(server.content().indexOf(0x42)).toBe(8192);
        expect(server.content().lastIndexOf(0x42)).toBe(16383);
      },
    },
    {
      name: "over the end: as much as fits",
      request: write(32767, 2, "aa bb"),
      reply: wrote("01 00 00 00"),
      changes: "data",
      after: (server) => expect(server.content()[32767]).toBe(0xaa),
    },
    {
      name: "with bytes behind its data, which are not written",
      request: write(0, 1, "aa bb"),
      reply: wrote("01 00 00 00"),
      changes: "data",
      after: (server) => expect(shown(server.content().subarray(0, 2))).toBe("aa 00"),
    },
    { name: "no bytes", request: write(0, 0, ""), reply: wrote("00 00 00 00"), changes: "time" },
    { name: "more than its data", request: write(0, 3, "aa bb"), reply: refusal(MINUS.EINVAL) },
    { name: "2^32 - 1 bytes", request: write(0, 2 ** 32 - 1, "aa bb"), reply: refusal(MINUS.EINVAL) },
    { name: "at the end", request: write(32768, 1, "aa"), reply: refusal(MINUS.EFBIG) },
    { name: "at 2^32", request: write(2 ** 32, 1, "aa"), reply: refusal(MINUS.EFBIG) },
    { name: "at 2^53 - 1", request: write(2 ** 53 - 1, 2, "aa bb"), reply: refusal(MINUS.EFBIG) },
    { name: "at 2^53", request: write(2n ** 53n, 1, "aa"), reply: refusal(MINUS.EFBIG) },
    { name: "at -1", request: write(-1n, 1, "aa"), reply: refusal(MINUS.EFBIG) },
    { name: "the directory", request: write(0, 1, "aa", 1), reply: refusal(MINUS.EISDIR) },
    { name: "node 3", request: write(0, 1, "aa", 3), reply: refusal(MINUS.ENOENT) },
    { name: "a read-only pool", readOnly: true, request: write(0, 1, "aa"), reply: refusal(MINUS.EROFS) },
  ]);
});

describe("a shortage is ENOSPC", () => {
  it("when the pool has no page left; what was there stays, and a discard helps", () => {
    const server = new WireServer({ blocks: 8, dataPages: 4 });
    server.put(0, new Uint8Array(4 * 4096).fill(0x42));
    const before = server.state();
    expect(shown(server.send(write(5 * 4096, 2, "aa bb")))).toBe(shown(refusal(MINUS.ENOSPC)));
    expect(server.state()).toEqual(before);
    // FALLOCATE of block 0: fh, offset, length, PUNCH_HOLE | KEEP_SIZE, padding.
    server.send(request(43, 2, u64(0), u64(0), u64(4096), "03 00 00 00", u32(0)));
    expect(shown(server.send(write(5 * 4096, 2, "aa bb")))).toBe(shown(wrote("02 00 00 00")));
    expect(server.map()).toBe(".###.#..");
  });

  it("in the middle of a request: each block is old or new", () => {
    const server = new WireServer({ blocks: 8, dataPages: 4 });
    server.put(0, new Uint8Array(2 * 4096).fill(0x11));
    expect(shown(server.send(write(4096, 4 * 4096, fill(4 * 4096, 0x22))))).toBe(shown(refusal(MINUS.ENOSPC)));
    const content = server.content();
    for (let block = 0; block < 8; block++) {
      const bytes = new Set(content.subarray(block * 4096, (block + 1) * 4096));
      expect(bytes.size, `block ${block} is torn`).toBe(1);
    }
    expect(content[0]).toBe(0x11);
    expect(server.pool.account.used).toBe([...server.map()].filter((mark) => mark === "#").length);
  });

  it("when the machine's memory is at its end", () => {
    const server = new WireServer();
    server.put(0, new Uint8Array(4096).fill(0x11));
    server.memory.limitPages = server.memory.held.size;
    const before = server.state();
    expect(shown(server.send(write(4096, 1, "aa")))).toBe(shown(refusal(MINUS.ENOSPC)));
    expect(server.state()).toEqual(before);
    expect(shown(server.send(write(1, 1, "aa")))).toBe(shown(wrote("01 00 00 00")));
  });

  it("and also when it is the index's page that cannot be had", () => {
    const server = new WireServer();
    server.memory.limitPages = server.memory.held.size;
    const before = server.state();
    expect(shown(server.send(write(0, 1, "aa")))).toBe(shown(refusal(MINUS.ENOSPC)));
    expect(server.state()).toEqual(before);
  });
});

describe("a medium that broke", () => {
  it("stops writes with EIO and goes on reading", () => {
    const server = new WireServer();
    server.put(0, Uint8Array.of(0x55));
    Atomics.store(server.shared.control, CONTROL.writesStopped, 1);
    expect(shown(server.send(write(0, 1, "aa")))).toBe(shown(refusal(MINUS.EIO)));
    const read = request(15, 2, u64(0), u64(0), u32(1), u32(0), u64(0), u32(0), u32(0));
    expect(shown(server.send(read))).toBe(shown(wire("11 00 00 00", "00 00 00 00", UNIQUE, "55")));
  });
});
