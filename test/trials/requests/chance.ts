/** Random requests: most make sense, many are samples with something changed, a few are any bytes. */
import { samples } from "../../protocol/support/samples.js";
import type { Random } from "../../support/random.js";
import { RequestBuilder, withOwnLength } from "./build.js";
import { narrowEdges, wideEdges } from "./edges.js";
import { noiseBytes, type Subject } from "./subjects.js";

const narrow = narrowEdges();
const opcodes = samples.map((sample) => sample.opcode);
/** What changes or shows data comes oftener. */
const ofData = [15, 15, 16, 16, 16, 43, 43, 43, 46, 4, 14, 20];
const MODES = [0, 1, 3, 3, 0x10, 0x11];
const DATA_BYTES_MOST = 20_000;

export function randomRequest(random: Random, { model }: Subject): Uint8Array {
  const largest = model.maxBlocks * 4096;
  const dice = random.below(20);
  if (dice < 12) return sensible(random, model.sizeBytes, largest);
  if (dice < 18) return mutated(random, model.sizeBytes, largest);
  if (dice < 19) return random.pick(samples).bytes;
  return anyBytes(random);
}

function sensible(random: Random, size: number, largest: number): Uint8Array {
  const opcode = random.chance(0.75) ? random.pick(ofData) : random.pick(opcodes);
  const head = {
    opcode,
    nodeid: nodeid(random),
    uid: random.pick([0, 7, 1000]),
    unique: (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32)),
    wrongBy: random.chance(0.02) ? random.below(83) - 41 : 0,
  };
  const offset = position(random, size, largest);
  const length = position(random, size, largest);
  if (opcode === 43) {
    const mode = random.chance(0.9) ? random.pick(MODES) : random.pick(narrow);
    return new RequestBuilder(head, 32).u64(0n).u64(offset).u64(length).u32(mode).bytes;
  }
  if (opcode === 46) return new RequestBuilder(head, 24).u64(0n).u64(offset).u32(random.below(6)).bytes;
  if (opcode === 4) return setattr(random, head, largest, offset);
  if (opcode === 14) return new RequestBuilder(head, 8).u32(random.chance(0.1) ? 0o1002 : 0x8002).bytes;
  if (opcode === 16) {
    const data = noiseBytes(random, random.chance(0.8) ? random.below(9000) : random.below(DATA_BYTES_MOST));
    return new RequestBuilder(head, 40 + data.length)
      .u64(0n)
      .u64(offset)
      .u32(data.length)
      .u64(0n)
      .u64(0n)
      .u32(0)
      .data(data).bytes;
  }
  const count = random.chance(0.9) ? Number(length % 2n ** 21n) : random.below(2 ** 32);
  return new RequestBuilder(head, 40).u64(0n).u64(offset).u32(count).bytes;
}

function setattr(
  random: Random,
  head: ConstructorParameters<typeof RequestBuilder>[0],
  largest: number,
  offset: bigint,
): Uint8Array {
  const size = random.chance(0.8) ? BigInt(4096 * random.below(largest / 4096 + 2)) : offset;
  const valid = random.chance(0.5) ? 8 : random.chance(0.8) ? random.below(0x400) : random.pick(narrow);
  const request = new RequestBuilder(head, 88).u32(valid).u32(0).u64(0n).u64(size).u64(0n);
  for (let i = 0; i < 6; i++) request.u64(BigInt(random.below(2 ** 32)));
  return request.u64(BigInt(random.pick([0, 7, 1000]))).bytes;
}

function nodeid(random: Random): bigint {
  const dice = random.below(16);
  if (dice < 12) return 2n;
  return dice < 15 ? 1n : random.pick(wideEdges(0, 0));
}

/** Mostly inside the file or close to it. */
function position(random: Random, size: number, largest: number): bigint {
  const dice = random.below(12);
  if (dice < 4) return BigInt(random.below(largest + 4096));
  if (dice < 8) return BigInt(4096 * random.below(largest / 4096 + 2));
  if (dice < 11) return BigInt(random.below(9000));
  return random.pick(wideEdges(size, largest));
}

function mutated(random: Random, size: number, largest: number): Uint8Array {
  const { bytes } = random.pick(samples);
  const cut = random.chance(0.3) ? random.below(bytes.length + 1) : bytes.length;
  const copy = random.chance(0.7) ? withOwnLength(bytes.slice(0, cut)) : bytes.slice(0, cut);
  const view = new DataView(copy.buffer);
  for (let i = random.below(4); i > 0; i--) {
    const at = 4 * random.below(Math.floor(copy.length / 4));
    if (random.chance(0.3)) copy[random.below(copy.length + 1)] = random.below(256);
    else if (at + 8 <= copy.length && random.chance(0.5)) view.setBigUint64(at, position(random, size, largest), true);
    else if (at + 4 <= copy.length) view.setUint32(at, random.pick(narrow), true);
  }
  return copy;
}

function anyBytes(random: Random): Uint8Array {
  const bytes = noiseBytes(random, random.below(400));
  for (let i = 0; i < bytes.length; i += 1 + random.below(9)) bytes[i] = random.below(256);
  return random.chance(0.5) ? withOwnLength(bytes) : bytes;
}
