import { describe, expect, it } from "vitest";
import { rowByOpcode } from "../../src/fuse/opcodes.js";
import { NOTICES, type Sample, samples } from "./support/samples.js";
import { WireServer } from "./support/server.js";
import { MINUS, refusal, shown } from "./support/wire.js";

const HEADER_BYTES = 40;

/** Data in blocks 0 to 2, so that every request finds something to change. */
function written(): WireServer {
  return new WireServer({ given: (server) => server.put(0, new Uint8Array(3 * 4096).fill(0x5a)) });
}

function withLen(bytes: Uint8Array, len: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (copy.length >= 4) new DataView(copy.buffer).setUint32(0, len, true);
  return copy;
}

/** What must come back for the first `length` bytes of a request. */
function expected(sample: Sample, length: number, saysLength: boolean): string {
  if (length < HEADER_BYTES || NOTICES.has(sample.opcode)) return "no answer";
  return shown(refusal(saysLength ? (sample.cut ?? "") : MINUS.EINVAL));
}

it("there is a sample of each row", () => {
  expect(samples.map(({ opcode, name }) => ({ opcode, name }))).toEqual(
    rowByOpcode.filter((row) => row !== undefined).map(({ opcode, name }) => ({ opcode, name })),
  );
});

describe.each(samples.map((sample) => [sample.name, sample] as const))("%s", (_name, sample) => {
  const whole = sample.bytes;

  it("is served whole, or refused for what it is", () => {
    const reply = written().send(whole);
    const refuses = sample.cut === MINUS.EPERM || sample.cut === MINUS.ENOSYS;
    if (NOTICES.has(sample.opcode)) expect(reply).toBeNull();
    else if (refuses) expect(shown(reply)).toBe(shown(refusal(sample.cut)));
    else expect(shown(reply!.subarray(4, 8)), "its error").toBe("00 00 00 00");
  });

  it.each([
    ["says its length", true],
    ["says the length of the whole", false],
  ])("each beginning of it that %s", (_how, saysLength) => {
    const server = written();
    const before = server.state();
    const { changes } = server;
    for (let length = 0; length < whole.length; length++) {
      // The rest of it is in the buffer from before, and must not count.
      server.receive(whole);
      const bytes = saysLength ? withLen(whole.subarray(0, length), length) : whole.slice(0, length);
      expect(shown(server.send(bytes)), `${length} of ${whole.length} bytes`).toBe(
        expected(sample, length, saysLength),
      );
      expect(server.state(), `${length} of ${whole.length} bytes`).toEqual(before);
      expect(server.changes).toBe(changes);
    }
  });

  it("with more behind it than it says changes nothing", () => {
    const server = written();
    const before = server.state();
    for (const extra of [1, 3, 4, 8, 4096]) {
      const bytes = new Uint8Array(whole.length + extra);
      bytes.set(whole);
      const answer = NOTICES.has(sample.opcode) ? "no answer" : shown(refusal(MINUS.EINVAL));
      expect(shown(server.send(bytes))).toBe(answer);
      expect(server.state()).toEqual(before);
    }
  });

  it("twice has the same end as once", () => {
    const server = written();
    const first = server.send(whole);
    const after = server.state();
    const second = server.send(whole);
    expect(server.state()).toEqual(after);
    expect(shown(second)).toBe(shown(first));
  });
});

describe("nobody to answer", () => {
  it.each(Array.from({ length: HEADER_BYTES }, (_, length) => length))("%s bytes of ff", (length) => {
    const server = new WireServer();
    const before = server.state();
    expect(server.send(new Uint8Array(length).fill(0xff))).toBeNull();
    expect(server.state()).toEqual(before);
  });
});
