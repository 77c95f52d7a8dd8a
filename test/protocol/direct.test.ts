/** What the file system answers in direct mode: every open hands the kernel the backing, the data itself never comes. */
import { describe, expect, it } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.js";
import { answerInit } from "../../src/fuse/init.js";
import { blocksOf } from "../support/testPool.js";
import { DirectServer } from "./support/directServer.js";
import { fill, MINUS, refusal, request, shown, UNIQUE, u32, u64, wire } from "./support/wire.js";

/** Answers INIT in the exchange of `server`. @returns the bytes of flags2 and max_stack_depth */
function init(server: DirectServer, flags2: number, passthrough: boolean): readonly [string, string] {
  const body = [u32(7), u32(45), u32(0), u32(0xffff_ffff), u32(flags2), fill(44)];
  server.thread.receive(request(26, 0, ...body));
  answerInit(server.thread.exchange, passthrough);
  const reply = Buffer.from(server.thread.replied());
  return [reply.subarray(16 + 32, 16 + 36).toString("hex"), reply.subarray(16 + 36, 16 + 40).toString("hex")];
}

const OPEN = 14;
const opened = wire(
  "20 00 00 00", // len: 32
  "00 00 00 00", // error: none
  UNIQUE, // unique
  "00 00 00 00 00 00 00 00", // fh
  "80 00 00 00", // open_flags: FOPEN_PASSTHROUGH, and never FOPEN_DIRECT_IO, which would override it
  "04 03 02 01", // backing_id
);

describe("INIT", () => {
  const PASSTHROUGH = 0x20;
  it("takes passthrough, with a stack depth of 1, only where it is wanted and offered", () => {
    const server = new DirectServer();
    expect(init(server, 0xffff_ffff, true)).toEqual([u32(0x90 | PASSTHROUGH), u32(1)]);
    expect(init(server, PASSTHROUGH, true)).toEqual([u32(PASSTHROUGH), u32(1)]);
    expect(init(server, 0xffff_ffff, false)).toEqual([u32(0x90), u32(0)]);
    expect(init(server, ~PASSTHROUGH, true)).toEqual([u32(0x90), u32(0)]);
  });
});

describe("SETATTR of the size", () => {
  // FATTR_SIZE; fh, size, and zeros for all the rest.
  const setSize = (blocks: number) => request(4, 2, u32(8), u32(0), u64(0), u64(BigInt(blocks * PAGE_BYTES)), fill(64));

  it("smaller is EPERM until it is allowed, larger is not", () => {
    const server = new DirectServer();
    const { data, file, allowShrink } = server.pool;
    data.kernelWrites(0, blocksOf(7, 30));
    const refused = shown(refusal(MINUS.EPERM));
    for (const blocks of [0, 1, 29]) expect(shown(server.send(setSize(blocks)))).toBe(refused);
    expect([data.heldPages(), data.lengthBytes(), file.sizeBytes]).toEqual([30, 30 * PAGE_BYTES, 30 * PAGE_BYTES]);
    server.send(setSize(32));
    expect(file.sizeBytes).toBe(32 * PAGE_BYTES);
    allowShrink(8);
    expect(shown(server.send(setSize(9)))).toBe(refused);
    server.send(setSize(8));
    expect([data.heldPages(), data.lengthBytes(), file.sizeBytes]).toEqual([8, 8 * PAGE_BYTES, 8 * PAGE_BYTES]);
    // Asked again after a server's death, it is answered the same.
    expect(shown(server.send(setSize(8)))).not.toBe(refused);
  });
});

describe("OPEN", () => {
  it.each([
    ["O_RDONLY", 0x8000],
    ["O_WRONLY", 0x8001],
    ["O_RDWR", 0x8002],
    ["O_RDWR | O_APPEND", 0x8402],
    ["O_RDWR | O_DIRECT", 0xc002],
    ["O_RDWR | O_SYNC", 0x10_9002],
  ])("%s is answered with the backing", (_name, flags) => {
    expect(shown(new DirectServer().send(request(OPEN, 2, u32(flags), u32(0))))).toBe(shown(opened));
  });

  it("O_TRUNC empties the file and keeps its size", () => {
    const server = new DirectServer();
    const { data, file } = server.pool;
    data.kernelWrites(0, blocksOf(7, 30));
    expect(shown(server.send(request(OPEN, 2, u32(0x8201), u32(0))))).toBe(shown(opened));
    expect([data.heldPages(), data.lengthBytes(), file.sizeBytes]).toEqual([0, 30 * PAGE_BYTES, 30 * PAGE_BYTES]);
  });

  it("read-only: to read with the backing, to write not at all", () => {
    const server = new DirectServer({ readOnly: true });
    expect(shown(server.send(request(OPEN, 2, u32(0x8000), u32(0))))).toBe(shown(opened));
    expect(shown(server.send(request(OPEN, 2, u32(0x8002), u32(0))))).toBe(shown(refusal(MINUS.EROFS)));
  });

  it("of the directory has none", () => {
    const reply = new DirectServer().send(request(27, 1, u32(0x8000), u32(0)));
    expect(
      Buffer.from(reply ?? [])
        .subarray(24)
        .toString("hex"),
    ).toBe(fill(8));
  });
});

it("READ and WRITE, which the kernel never sends, are EIO and change nothing", () => {
  const server = new DirectServer();
  server.pool.data.kernelWrites(0, blocksOf(7));
  const range = [u64(0), u64(0), u32(512), u32(0), u64(0), u32(0), u32(0)];
  expect(shown(server.send(request(15, 2, ...range)))).toBe(shown(refusal(MINUS.EIO)));
  expect(shown(server.send(request(16, 2, ...range, fill(512, 9))))).toBe(shown(refusal(MINUS.EIO)));
  expect(server.pool.data.kernelReads(0, PAGE_BYTES)).toEqual(blocksOf(7));
});

describe("FALLOCATE, LSEEK, GETATTR and STATFS speak of the backing", () => {
  const fallocate = (mode: number, offset: number, length: number): Uint8Array =>
    request(43, 2, u64(0), u64(offset), u64(length), u32(mode), u32(0));

  it.each([
    ["PUNCH_HOLE|KEEP_SIZE", 0x3],
    ["ZERO_RANGE|KEEP_SIZE", 0x11],
    ["ZERO_RANGE", 0x10],
  ])("%s gives pages back and zeroes the edges", (_name, mode) => {
    const server = new DirectServer();
    const { data } = server.pool;
    data.kernelWrites(0, blocksOf(7, 4));
    expect(shown(server.send(fallocate(mode, 100, 2 * PAGE_BYTES)))).toBe(shown(refusal("00 00 00 00")));
    expect(data.heldPages()).toBe(3);
    const bytes = data.kernelReads(0, 4 * PAGE_BYTES);
    expect([bytes.indexOf(0), bytes.lastIndexOf(0)]).toEqual([100, 2 * PAGE_BYTES + 99]);
  });

  it("mode 0 reserves inside the file, and past its end only with KEEP_SIZE and nothing", () => {
    const server = new DirectServer();
    expect(shown(server.send(fallocate(0, 0, 30 * PAGE_BYTES)))).toBe(shown(refusal("00 00 00 00")));
    expect(server.pool.data.heldPages()).toBe(30);
    expect(shown(server.send(fallocate(0, 0, 31 * PAGE_BYTES)))).toBe(shown(refusal(MINUS.EFBIG)));
    expect(shown(server.send(fallocate(1, 30 * PAGE_BYTES, PAGE_BYTES)))).toBe(shown(refusal("00 00 00 00")));
    expect([server.pool.data.heldPages(), server.pool.data.lengthBytes()]).toEqual([30, 30 * PAGE_BYTES]);
  });

  it("what the kernel wrote shows at once", () => {
    const server = new DirectServer();
    server.pool.data.kernelWrites(5 * PAGE_BYTES + 1, blocksOf(7));
    const seek = Buffer.from(server.send(request(46, 2, u64(0), u64(0), u32(3), u32(0))) ?? []);
    expect(seek.readBigUInt64LE(16)).toBe(BigInt(5 * PAGE_BYTES));
    const attr = Buffer.from(server.send(request(3, 2, u32(0), u32(0), u64(0))) ?? []);
    // fuse_attr_out: 16 bytes, then ino, size, blocks.
    expect([attr.readBigUInt64LE(40), attr.readBigUInt64LE(48)]).toEqual([BigInt(30 * PAGE_BYTES), 16n]);
    const statfs = Buffer.from(server.send(request(17, 2)) ?? []);
    expect([statfs.readBigUInt64LE(16), statfs.readBigUInt64LE(24)]).toEqual([34n, 32n]);
  });
});
