import { describe, expect, it } from "vitest";
import { WireServer } from "./support/server.js";
import { DONE, MINUS, refusal, request, requestFrom, shown, u32, u64, wire } from "./support/wire.js";

describe("a request's header", () => {
  it("is what the kernel sends, byte for byte", () => {
    expect(shown(request(20, 2, u64(0), u32(1), u32(0)))).toBe(
      shown(
        wire(
          "38 00 00 00", // len: 56
          "14 00 00 00", // opcode: FSYNC
          "88 77 66 55 44 33 22 f1", // unique
          "02 00 00 00 00 00 00 00", // nodeid: disk
          "e8 03 00 00", // uid: 1000
          "e8 03 00 00", // gid: 1000
          "07 00 00 00", // pid: 7
          "00 00", // total_extlen
          "00 00", // padding
          "00 00 00 00 00 00 00 00", // fh
          "01 00 00 00", // fsync_flags: FUSE_FSYNC_FDATASYNC
          "00 00 00 00", // padding
        ),
      ),
    );
  });
});

describe("a reply's header", () => {
  const uniques = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];

  it.each(uniques)("echoes all 64 bits of unique %s", (unique) => {
    const server = new WireServer();
    const reply = wire("10 00 00 00", "00 00 00 00", u64(unique));
    expect(shown(server.send(requestFrom({ opcode: 38, nodeid: 1, unique })))).toBe(shown(reply));
  });

  it.each(uniques)("and in a refusal, and with data: unique %s", (unique) => {
    const server = new WireServer();
    const refused = server.send(requestFrom({ opcode: 10, nodeid: 1, unique }, "78 00"));
    expect(shown(refused)).toBe(shown(wire("10 00 00 00", MINUS.EPERM, u64(unique))));
    const body = [u64(0), u64(0), u32(1), u32(0), u64(0), u32(0), u32(0)];
    const read = server.send(requestFrom({ opcode: 15, nodeid: 2, unique }, ...body));
    expect(shown(read)).toBe(shown(wire("11 00 00 00", "00 00 00 00", u64(unique), "00")));
  });
});

describe("an opcode without a row", () => {
  // READLINK, fsync's gap, GETLK, IOCTL, the end of the table and behind it, CUSE_INIT, both signs.
  const unknown = [0, 5, 19, 31, 39, 50, 53, 63, 64, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

  it.each(unknown)("%s is ENOSYS", (opcode) => {
    const server = new WireServer();
    const before = server.state();
    expect(shown(server.send(request(opcode, 2, u64(0))))).toBe(shown(refusal(MINUS.ENOSYS)));
    expect(server.state()).toEqual(before);
  });

  it("is EINVAL when the length is wrong too", () => {
    const bytes = request(63, 2, u64(0));
    bytes[0] = 41;
    expect(shown(new WireServer().send(bytes))).toBe(shown(refusal(MINUS.EINVAL)));
  });

  it("INIT belongs to the holder: ENOSYS for a server", () => {
    expect(shown(new WireServer().send(request(26, 0, u32(7), u32(45), u64(0))))).toBe(shown(refusal(MINUS.ENOSYS)));
  });
});

describe("a request that says another length than it has", () => {
  it.each([0, 40, 55, 57, 0x8000_0000, 0xffff_ffff])("%s instead of 56 is EINVAL", (said) => {
    const bytes = request(20, 2, u64(0), u32(0), u32(0));
    new DataView(bytes.buffer).setUint32(0, said, true);
    expect(shown(new WireServer().send(bytes))).toBe(shown(refusal(MINUS.EINVAL)));
  });

  it("is done when it says the right one", () => {
    expect(shown(new WireServer().send(request(20, 2, u64(0), u32(0), u32(0))))).toBe(shown(DONE));
  });
});
