import { describe, expect, it } from "vitest";
import { answerInit, type InitResult } from "../../src/fuse/init.js";
import { WireServer } from "./support/server.js";
import { fill, MINUS, refusal, request, shown, UNIQUE, u32, wire } from "./support/wire.js";

const INIT = 26;

/** The INIT of Linux 5.17 and newer: 64 bytes. */
function init(major: number, minor: number, flags: number, flags2: number): Uint8Array {
  return request(
    INIT,
    0,
    u32(major), // major
    u32(minor), // minor
    "00 00 02 00", // max_readahead: 128 KiB
    u32(flags), // flags
    u32(flags2), // flags2
    fill(44), // unused
  );
}

/** The INIT of older kernels: 16 bytes. */
function shortInit(major: number, minor: number, flags: number): Uint8Array {
  return request(INIT, 0, u32(major), u32(minor), "00 00 02 00", u32(flags));
}

function answer(bytes: Uint8Array): { reply: string; result: InitResult | "again" | null } {
  const server = new WireServer();
  // A former INIT in the buffer must not shine through.
  server.receive(new Uint8Array(4096).fill(0xff));
  server.receive(bytes);
  const result = answerInit(server.exchange, false);
  return { reply: shown(server.replied()), result };
}

/** @param flags and flags2: the four bytes of each that both sides have */
function agreed(flags: string, flags2: string): string {
  return shown(
    wire(
      "50 00 00 00", // len: 80
      "00 00 00 00", // error: none
      UNIQUE, // unique
      "07 00 00 00", // major: 7
      "2d 00 00 00", // minor: 45
      "00 00 02 00", // max_readahead: as the kernel said
      flags, // flags
      "00 01", // max_background: 256
      "c0 00", // congestion_threshold: 192
      "00 00 10 00", // max_write: 1 MiB
      "01 00 00 00", // time_gran: 1 ns
      "00 01", // max_pages: 256
      "00 00", // map_alignment
      flags2, // flags2
      "00 00 00 00", // max_stack_depth
      "00 00", // request_timeout
      fill(22), // unused
    ),
  );
}

/** ASYNC_READ, ATOMIC_O_TRUNC, BIG_WRITES, both READDIRPLUS, ASYNC_DIO, PARALLEL_DIROPS, MAX_PAGES, INIT_EXT. */
const WANTED = 0x4044_e029;
const WANTED_BYTES = "29 e0 44 40";
/** DIRECT_IO_ALLOW_MMAP and HAS_RESEND. */
const WANTED2 = 0x90;
const WANTED2_BYTES = "90 00 00 00";

describe("INIT", () => {
  it("takes of all flags those that it wants", () => {
    const { reply, result } = answer(init(7, 45, 0xffff_ffff, 0xffff_ffff));
    expect(reply).toBe(agreed(WANTED_BYTES, WANTED2_BYTES));
    expect(result).toEqual({ minor: 45, flags: WANTED, flags2: WANTED2 });
  });

  it("never takes the writeback cache: memory must not be held twice", () => {
    const { result } = answer(init(7, 45, 0xffff_ffff, 0xffff_ffff));
    expect((result as InitResult).flags & (1 << 16)).toBe(0);
  });

  it("takes nothing that the kernel does not offer", () => {
    expect(answer(init(7, 45, 0, 0)).reply).toBe(agreed("00 00 00 00", "00 00 00 00"));
  });

  it.each(Array.from({ length: 32 }, (_, bit) => bit))("bit %s alone, of both words", (bit) => {
    const alone = (1 << bit) >>> 0;
    const extended = answer(init(7, 45, 0x4000_0000 | alone, alone));
    const flags = (0x4000_0000 | (alone & WANTED)) >>> 0;
    expect(extended.reply).toBe(agreed(u32(flags), u32(alone & WANTED2)));
  });

  it("ignores the second word without INIT_EXT", () => {
    const { reply, result } = answer(init(7, 45, 0x3fff_ffff, 0xffff_ffff));
    expect(reply).toBe(agreed("29 e0 44 00", "00 00 00 00"));
    expect(result).toMatchObject({ flags2: 0 });
  });

  it("of 16 bytes, as before Linux 5.17, has no second word", () => {
    const { reply, result } = answer(shortInit(7, 31, 0xffff_ffff));
    expect(reply).toBe(agreed(WANTED_BYTES, "00 00 00 00"));
    expect(result).toMatchObject({ minor: 31, flags2: 0 });
  });

  it.each([28, 31, 38, 44, 45])("agrees on the kernel's minor %s", (minor) => {
    expect(answer(init(7, minor, 0, 0)).result).toMatchObject({ minor });
  });

  it.each([46, 0xffff_ffff])("agrees on 45 with a kernel of minor %s", (minor) => {
    expect(answer(init(7, minor, 0, 0)).result).toMatchObject({ minor: 45 });
  });
});

describe("INIT of another major", () => {
  it.each([8, 9, 0xffff_ffff])("%s is answered with 7, and the kernel asks again", (major) => {
    const { reply, result } = answer(init(major, 0, 0xffff_ffff, 0));
    expect(result).toBe("again");
    expect(reply).toBe(
      shown(
        wire(
          "50 00 00 00", // len: 80
          "00 00 00 00", // error: none
          UNIQUE, // unique
          "07 00 00 00", // major: 7
          "2d 00 00 00", // minor: 45
          fill(56), // the rest is not looked at
        ),
      ),
    );
  });

  it.each([0, 1, 6])("%s is EPROTO", (major) => {
    expect(answer(init(major, 45, 0, 0))).toEqual({ reply: shown(refusal(MINUS.EPROTO)), result: null });
  });
});

describe("INIT of a minor that is too old", () => {
  it.each([0, 1, 5, 23, 27])("%s is EPROTO", (minor) => {
    expect(answer(shortInit(7, minor, 0))).toEqual({ reply: shown(refusal(MINUS.EPROTO)), result: null });
  });
});

describe("INIT that is cut", () => {
  const whole = init(7, 45, 0xffff_ffff, 0xffff_ffff);

  it.each(Array.from({ length: 16 }, (_, bytes) => bytes))("to %s bytes of its body is EPROTO", (bytes) => {
    expect(answer(whole.slice(0, 40 + bytes))).toEqual({ reply: shown(refusal(MINUS.EPROTO)), result: null });
  });

  it.each([16, 20, 63])("to %s bytes has no second word", (bytes) => {
    expect(answer(whole.slice(0, 40 + bytes)).reply).toBe(agreed(WANTED_BYTES, "00 00 00 00"));
  });

  it("longer, as of a kernel to come, is answered as usual", () => {
    const longer = new Uint8Array(whole.length + 64).fill(0xff);
    longer.set(whole);
    expect(answer(longer).reply).toBe(agreed(WANTED_BYTES, WANTED2_BYTES));
  });
});
