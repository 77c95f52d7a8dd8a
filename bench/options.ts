/** The command line of `npm run bench`. */
import { parseArgs } from "node:util";
import { parsePageSizeFloor } from "../src/cli/sizes.js";
import type { Form } from "./results.js";

export interface Options extends Form {
  /** Only the rows that a short run has. */
  readonly isQuick: boolean;
  /** Parts of rows' keys; none means all rows. */
  readonly rows: readonly string[];
  /** Where a run that is not complete writes its results. */
  readonly output: string | undefined;
  readonly isHelp: boolean;
}

/** Fewer rounds than this are no record. */
export const RECORD_ROUNDS = 3;
const FULL = { rounds: RECORD_ROUNDS, runtimeMs: 1000, size: "1G" };
const QUICK = { rounds: 3, runtimeMs: 250, size: "256M" };

/** How a short run measures; a record has its rows in this form too. */
export const QUICK_FORM: Form = {
  rounds: QUICK.rounds,
  runtimeMs: QUICK.runtimeMs,
  sizeBytes: parsePageSizeFloor(QUICK.size, "--quick"),
};

export const HELP = `npm run bench -- [options]
npm run bench -- compare A.json B.json    the ratios of B to A
npm run bench -- page RUN.json DIRECTORY  RESULTS.md and results.svg of a recorded run

  --quick          a part of the rows, ${QUICK.rounds} rounds, ${QUICK.runtimeMs / 1000} s a load, disks of ${QUICK.size}: 5 minutes; fails when a
                   ratio has fallen by more than 15 % from the last record in every round
  --rows A,B       only the rows whose key contains A or B, e.g. file/ or randread or loop/discard
  --rounds N       rounds, each with every side in turn (${FULL.rounds})
  --runtime S      seconds of one load (${FULL.runtimeMs / 1000})
  --size SIZE      size of each side's disk (${FULL.size}); nine are in memory at a time
  --output FILE    also write the results there, as JSON
A run of all rows, ${RECORD_ROUNDS} rounds and ${FULL.runtimeMs / 1000} s or more is recorded in bench/results/ and bench/RESULTS.md.
Missing peers are installed (KMEMFS_NO_INSTALL=1 leaves them out). Needs root.`;

function positive(text: string | undefined, otherwise: number, what: string): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value > 0 && value < 1e6)) throw new Error(`${what} ${text}: not a positive number`);
  return value;
}

/** @throws Error for what is not an option or has no sense */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      rows: { type: "string", default: "" },
      rounds: { type: "string" },
      runtime: { type: "string" },
      size: { type: "string" },
      output: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const usual = values.quick ? QUICK : FULL;
  const rounds = positive(values.rounds, usual.rounds, "--rounds");
  const size = values.size ?? usual.size;
  if (!Number.isInteger(rounds)) throw new Error(`--rounds ${values.rounds}: not a whole number`);
  return {
    rounds,
    runtimeMs: Math.round(positive(values.runtime, usual.runtimeMs / 1000, "--runtime") * 1000),
    sizeBytes: parsePageSizeFloor(size, `--size ${size}`),
    isQuick: values.quick,
    rows: values.rows.split(",").filter(Boolean),
    output: values.output,
    isHelp: values.help,
  };
}

/** True when the figures of such a run may stand as a record. */
export function isRecord({ rounds, runtimeMs, sizeBytes, rows }: Options): boolean {
  return rows.length === 0 && rounds >= RECORD_ROUNDS && runtimeMs >= FULL.runtimeMs && sizeBytes >= 2 ** 30;
}
