/**
 * All work in numbered units, so that any one can be run again: first one for each
 * opcode and kind of pool, without chance, then random sequences without end.
 */
import { samples } from "../../protocol/support/samples.js";
import { Random } from "../../support/random.js";
import { randomRequest } from "./chance.js";
import { fixedRequests } from "./fixed.js";
import { Judge } from "./judge.js";
import { type Subject, subjectKinds } from "./subjects.js";

/** Requests of a random unit. */
export const UNIT_REQUESTS = 400;
export const fixedUnits = subjectKinds.length * samples.length;

export interface UnitResult {
  readonly requests: number;
  readonly fault: string | null;
}

/** One in so many is sent again, and must have the same end. */
const AGAIN = 0.1;

export function runUnit(unit: number, seed: number): UnitResult {
  const random = new Random(seed ^ Math.imul(unit + 1, 0x9e3779b9));
  const kind = subjectKinds[unit % subjectKinds.length] as (typeof subjectKinds)[number];
  let subject = kind.make(random);
  let judge = new Judge(subject);
  let requests = 0;
  let last: Uint8Array = new Uint8Array();
  try {
    for (const bytes of unit < fixedUnits ? fixedOf(unit, subject) : randomOf(random, () => subject)) {
      // Sizes and errors that stay would leave nothing to try.
      if (unit < fixedUnits && requests % UNIT_REQUESTS === 0) {
        subject = kind.make(random);
        judge = new Judge(subject);
      }
      last = bytes;
      judge.send(bytes);
      requests++;
      if (random.chance(AGAIN)) judge.send(bytes);
      if (subject.disturb(random)) judge.lookAgain();
    }
    return { requests, fault: null };
  } catch (error) {
    const hex = Buffer.from(last.subarray(0, 128)).toString("hex");
    return { requests, fault: `${kind.name}, request ${requests} (${hex}, ${last.length} bytes): ${String(error)}` };
  }
}

function fixedOf(unit: number, subject: Subject): Generator<Uint8Array> {
  const sample = samples[Math.floor(unit / subjectKinds.length)] as (typeof samples)[number];
  return fixedRequests(sample, subject.model.sizeBytes, subject.model.maxBlocks * 4096);
}

function* randomOf(random: Random, subject: () => Subject): Generator<Uint8Array> {
  for (let i = 0; i < UNIT_REQUESTS; i++) yield randomRequest(random, subject());
}
