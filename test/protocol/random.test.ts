/**
 * Any bytes at all, in sequences: each request has exactly the answer that its
 * opcode is due, an errno from those that are allowed, and a refused one
 * changes nothing. fast-check prints the seed of what fails.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ENOSPC, errnoName } from "../../src/base/errno.js";
import { budget } from "../support/budget.js";
import { isAllowed } from "./support/allowed.js";
import { NOTICES, samples } from "./support/samples.js";
import { WireServer } from "./support/server.js";
import { u32, u64, wire } from "./support/wire.js";
import { errnoOf } from "./support/wireThread.js";

const opcodes = samples.map((sample) => sample.opcode);
const edges = [0n, 1n, 4095n, 4096n, 4097n, 8192n, 32767n, 32768n, 32769n, 49152n, 2n ** 31n, 2n ** 32n];
const far = [2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

const opcode = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...opcodes) },
  { weight: 8, arbitrary: fc.constantFrom(4, 14, 15, 16, 43, 46) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);
const nodeid = fc.oneof(
  { weight: 12, arbitrary: fc.constant(2n) },
  { weight: 3, arbitrary: fc.constant(1n) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
);
const number = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...edges) },
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 50_000n }) },
  { weight: 1, arbitrary: fc.constantFrom(...far) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
);
const mode = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 1, 3, 0x10, 0x11, 4) }, fc.nat(0xffff_ffff));
const small = fc.oneof(fc.nat(9000), fc.constantFrom(4096, 32768), fc.nat(0xffff_ffff));
/** A body with numbers where READ, WRITE, FALLOCATE, LSEEK and SETATTR have them, or no sense at all. */
const body = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(number, number, small, mode, fc.uint8Array({ maxLength: 20_000, size: "max" }))
      .map(([offset, length, size, word, data]) => ({ offset, length, size, word, data })),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
);
const lengthError = fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, fc.integer({ min: -41, max: 41 }));

type Body = typeof body extends fc.Arbitrary<infer T> ? T : never;

function bodyOf(op: number, made: Body): Uint8Array {
  if (made instanceof Uint8Array) return made;
  const { offset, length, size, word, data } = made;
  // FALLOCATE: fh, offset, length, mode, padding.
  if (op === 43) return wire(u64(0), u64(offset), u64(length), u32(word), u32(0));
  // LSEEK: fh, offset, whence, padding.
  if (op === 46) return wire(u64(0), u64(offset), u32(word % 6), u32(0));
  // SETATTR: valid, padding, fh, size; the rest is what comes.
  if (op === 4) return wire(u32(word), u32(0), u64(0), u64(offset), u64(length).repeat(8));
  // WRITE: as READ, then data.
  const fixed = wire(u64(0), u64(offset), u32(op === 16 ? data.length : size), u32(0), u64(0), u32(word), u32(0));
  return Uint8Array.from(Buffer.concat([fixed, op === 16 ? data : new Uint8Array()]));
}

const anyRequest = fc
  .tuple(opcode, nodeid, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), body, lengthError, fc.constantFrom(0, 1000, 7))
  .map(([op, node, unique, made, wrongBy, uid]) => {
    const content = bodyOf(op, made);
    const header = wire(
      u32(40 + content.length + wrongBy),
      u32(op),
      u64(unique),
      u64(node),
      u32(uid),
      u32(uid),
      u64(0),
    );
    return Uint8Array.from(Buffer.concat([header, content]));
  });

/** Sends one request and checks all that holds for any. */
function judge(server: WireServer, bytes: Uint8Array): void {
  const before = server.state();
  const { changes } = server;
  const reply = server.send(bytes);
  const op = new DataView(bytes.buffer).getUint32(4, true);
  if (NOTICES.has(op)) {
    expect(reply).toBeNull();
    expect(server.state()).toEqual(before);
    return;
  }
  const errno = errnoOf(reply);
  expect(isAllowed(op, errno), `opcode ${op}: ${errnoName(errno)}`).toBe(true);
  // A WRITE that runs out of pages has written whole blocks before.
  if (errno !== 0 && !(op === 16 && errno === ENOSPC)) {
    expect(server.state()).toEqual(before);
    expect(server.changes).toBe(changes);
  }
  const { account } = server.pool;
  expect(account.used).toBe([...server.map()].filter((mark) => mark === "#").length);
  expect(account.used + account.metadata).toBe(server.memory.held.size);
  const after = server.state();
  server.send(bytes);
  if (errno !== ENOSPC) expect(server.state(), "done twice").toEqual(after);
}

const runs = { numRuns: budget(80) };
const sequence = fc.array(anyRequest, { minLength: 1, maxLength: 40, size: "max" });

describe("any sequence of requests", () => {
  it("to a pool as large as its file", () => {
    fc.assert(
      fc.property(sequence, (requests) => {
        const server = new WireServer();
        for (const bytes of requests) judge(server, bytes);
      }),
      runs,
    );
  });

  it("to a pool with half the pages", () => {
    fc.assert(
      fc.property(sequence, (requests) => {
        const server = new WireServer({ dataPages: 4 });
        for (const bytes of requests) judge(server, bytes);
      }),
      runs,
    );
  });

  it("to a read-only pool, which none of them changes", () => {
    fc.assert(
      fc.property(sequence, (requests) => {
        const server = new WireServer({
          readOnly: true,
          given: (made) => made.put(4000, new Uint8Array(5000).fill(0x5a)),
        });
        const before = server.state();
        for (const bytes of requests) judge(server, bytes);
        expect(server.state()).toEqual(before);
      }),
      runs,
    );
  });
});

describe("bytes without any sense", () => {
  it("have one answer or none, and change nothing that a valid request would not", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400, size: "max" }), (bytes) => {
        const server = new WireServer();
        const before = server.state();
        const reply = server.send(bytes);
        if (bytes.length < 40) expect(reply).toBeNull();
        expect(server.state()).toEqual(before);
      }),
      { numRuns: budget(300) },
    );
  });
});
