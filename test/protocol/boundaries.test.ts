/** Offsets and lengths at every edge of a number: each request has one answer, and a refused one changes nothing. */
import { describe, expect, it } from "vitest";
import { EFBIG, EINVAL, ENXIO, EOPNOTSUPP, errnoName } from "../../src/base/errno.js";
import { WireServer } from "./support/server.js";
import { fill, request, u32, u64 } from "./support/wire.js";
import { errnoOf } from "./support/wireThread.js";

const SIZE = 32768n;
const WHOLE_2_53 = 2n ** 53n;

const edges: readonly bigint[] = [
  0n,
  1n,
  4095n,
  4096n,
  4097n,
  SIZE - 1n,
  SIZE,
  SIZE + 1n,
  49152n,
  49153n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  WHOLE_2_53 - 1n,
  WHOLE_2_53,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Blocks 0, 1, 3 and 7 mapped and full of bytes that tell their block. */
function written(): WireServer {
  return new WireServer({
    given: (server) => {
      for (const block of [0, 1, 3, 7]) server.put(block * 4096, new Uint8Array(4096).fill(0x10 + block));
    },
  });
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

interface Answer {
  readonly errno: string;
  readonly body: Uint8Array;
  readonly server: WireServer;
  readonly before: Uint8Array;
}

/** Sends one request to a fresh file; when it is refused, checks that nothing changed. */
function ask(bytes: Uint8Array, what: string): Answer {
  const server = written();
  const before = server.content();
  const state = server.state();
  const { changes } = server;
  const reply = server.send(bytes);
  const errno = errnoOf(reply);
  if (errno !== 0) {
    expect(server.state(), what).toEqual(state);
    expect(server.changes, what).toBe(changes);
  }
  return { errno: errno === 0 ? "" : errnoName(errno), body: reply!.subarray(16), server, before };
}

function body64(body: Uint8Array): bigint {
  return new DataView(body.buffer, body.byteOffset).getBigUint64(0, true);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

const dataBody = (offset: bigint, size: bigint): string[] => [u64(0), u64(offset), u32(Number(size)), fill(20)];

describe("READ at every edge", () => {
  it.each(edges)("offset %s", (offset) => {
    for (const size of edges.filter((edge) => edge < 2n ** 32n)) {
      const what = `READ ${offset} ${size}`;
      const { errno, body, before } = ask(request(15, 2, ...dataBody(offset, size)), what);
      const isRefused = offset >= WHOLE_2_53 || size > 2n ** 20n;
      expect(errno, what).toBe(isRefused ? errnoName(EINVAL) : "");
      const from = Number(min(offset, SIZE));
      const expected = isRefused ? new Uint8Array() : before.subarray(from, Number(min(offset + size, SIZE)));
      expect(isSame(body, expected), what).toBe(true);
    }
  });
});

describe("WRITE at every edge", () => {
  const sizes = edges.filter((edge) => edge <= SIZE + 1n);

  it.each(edges)("offset %s", (offset) => {
    for (const size of sizes) {
      const what = `WRITE ${offset} ${size}`;
      const data = fill(Number(size), 0x77);
      const { errno, body, server, before } = ask(request(16, 2, ...dataBody(offset, size), data), what);
      const isRefused = offset >= WHOLE_2_53 || (offset >= SIZE && size > 0n);
      expect(errno, what).toBe(isRefused ? errnoName(EFBIG) : "");
      if (isRefused) continue;
      const end = Number(min(offset + size, SIZE));
      const count = Math.max(0, end - Number(offset));
      expect(body64(body), what).toBe(BigInt(count));
      expect(isSame(server.content(), before.fill(0x77, end - count, end)), what).toBe(true);
    }
  });
});

describe("FALLOCATE at every edge, all modes", () => {
  const modes = Array.from({ length: 0x80 }, (_, mode) => mode);

  /** What the manual and the design say, in whole numbers of any size. */
  function expectedErrno(mode: number, offset: bigint, length: bigint): string {
    if (offset >= WHOLE_2_53 || length >= WHOLE_2_53) return errnoName(EFBIG);
    if (length === 0n) return errnoName(EINVAL);
    if (offset + length >= WHOLE_2_53 - 1n) return errnoName(EFBIG);
    if (![0, 1, 3, 0x10, 0x11].includes(mode)) return errnoName(EOPNOTSUPP);
    return (mode & 1) === 0 && offset + length > SIZE ? errnoName(EFBIG) : "";
  }

  function expectDone(answer: Answer, mode: number, offset: bigint, length: bigint, what: string): void {
    const { server, before } = answer;
    const from = Number(min(offset, SIZE));
    const end = Number(min(offset + length, SIZE));
    const reserves = mode <= 1;
    expect(isSame(server.content(), reserves ? before : before.fill(0, from, end)), what).toBe(true);
    const map = [..."##.#...#"];
    for (let block = 0; block < 8 && from < end; block++) {
      const isTouched = block * 4096 < end && (block + 1) * 4096 > from;
      const isWhole = block * 4096 >= from && (block + 1) * 4096 <= end;
      if (reserves && isTouched) map[block] = "#";
      if (!reserves && isWhole) map[block] = ".";
    }
    expect(server.map(), what).toBe(map.join(""));
    expect(server.pool.account.used, what).toBe(map.filter((mark) => mark === "#").length);
  }

  it.each(edges)("offset %s", (offset) => {
    for (const length of edges) {
      for (const mode of modes) {
        // The modes that are not served are one case: all of them at two lengths will do.
        if (mode > 3 && mode !== 0x10 && mode !== 0x11 && length !== 1n && length !== SIZE) continue;
        const what = `FALLOCATE mode ${mode}, ${offset} ${length}`;
        const answer = ask(request(43, 2, u64(0), u64(offset), u64(length), u32(mode), u32(0)), what);
        expect(answer.errno, what).toBe(expectedErrno(mode, offset, length));
        if (answer.errno === "") expectDone(answer, mode, offset, length, what);
      }
    }
  });
});

describe("LSEEK at every edge", () => {
  it.each(edges)("offset %s", (offset) => {
    for (const whence of [0, 1, 2, 3, 4, 5, 2 ** 31, 2 ** 32 - 1]) {
      const what = `LSEEK ${whence} ${offset}`;
      const { errno, body } = ask(request(46, 2, u64(0), u64(offset), u32(whence), u32(0)), what);
      const isKnown = whence === 3 || whence === 4;
      if (!isKnown || offset >= WHOLE_2_53) {
        expect(errno, what).toBe(errnoName(EINVAL));
      } else if (offset >= SIZE) {
        expect(errno, what).toBe(errnoName(ENXIO));
      } else {
        let block = Number(offset / 4096n);
        while (block < 8 && ("##.#...#"[block] === "#") !== (whence === 3)) block++;
        const found = BigInt(block) * 4096n;
        expect(body64(body), what).toBe(found > offset ? found : offset);
      }
    }
  });
});

describe("SETATTR size at every edge", () => {
  it.each(edges)("%s", (size) => {
    const what = `SETATTR ${size}`;
    // FATTR_SIZE; fh, size, and zeros for all the rest.
    const { errno, server, before } = ask(request(4, 2, u32(8), u32(0), u64(0), u64(size), fill(64)), what);
    const largest = 12n * 4096n;
    if (size > largest) expect(errno, what).toBe(errnoName(EFBIG));
    else if (size % 4096n !== 0n) expect(errno, what).toBe(errnoName(EINVAL));
    else {
      expect(errno, what).toBe("");
      const expected = new Uint8Array(Number(size));
      expected.set(before.subarray(0, Number(min(size, SIZE))));
      expect(isSame(server.content(), expected), what).toBe(true);
    }
  });
});
