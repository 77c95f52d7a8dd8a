import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fallenRatios, judge, lastRecord } from "../../../bench/regression.js";
import type { Results, StageResult } from "../../../bench/results.js";
import { results } from "./sample.js";

const samples = (values: number[]) => values.map((value) => ({ value }));

/** A stage with a row of rates and a row of times. */
function stage(
  rates: { ours: number[]; theirs: number[] },
  times = { ours: [1, 1, 1], theirs: [1, 1, 1] },
): StageResult {
  const row = (name: string, unit: "IOPS" | "s", { ours, theirs }: typeof rates, busyBefore: number) => ({
    ...{ key: `loop/${name}`, title: name, unit, busyBefore },
    samples: { "kmemfs-direct": samples(ours), loop: samples(theirs) },
  });
  const sides = [
    { name: "kmemfs-direct", title: "kmemfs direct", isPeer: false },
    { name: "loop", title: "loop", isPeer: true },
  ];
  const rows = [row("randread", "IOPS", rates, 0.07), row("discard", "s", times, 0)];
  return { name: "loop", title: "on a loop device", sides, missing: [], rows };
}

/** The record's ratios are 0.9, 1 and 1.3. */
const recorded = stage({ ours: [90, 100, 130], theirs: [100, 100, 100] });
const fallen = (ours: number[], times?: Parameters<typeof stage>[1]): string[] =>
  fallenRatios([recorded], [stage({ ours, theirs: [100, 100, 100] }, times)]).map(({ key }) => key);

describe("fallenRatios", () => {
  it("tells a ratio that is below 0.85 of the record's median in each of three rounds", () => {
    expect(fallen([84, 80, 70])).toEqual(["loop/randread"]);
  });
  it("lets one round be a bad one, and another", () => {
    expect(fallen([84, 86, 70])).toEqual([]);
    expect(fallen([10, 10, 100])).toEqual([]);
  });
  it("needs three rounds", () => {
    const ours = [50, 50];
    expect(fallenRatios([recorded], [stage({ ours, theirs: [100, 100] })])).toEqual([]);
  });
  it("takes more seconds for worse, and fewer for better", () => {
    expect(fallen([100, 100, 100], { ours: [1.2, 1.3, 1.4], theirs: [1, 1, 1] })).toEqual(["loop/discard"]);
    expect(fallen([100, 100, 100], { ours: [0.5, 0.5, 0.5], theirs: [1, 1, 1] })).toEqual([]);
  });
  it("does not mind a slow machine, which slows the peer too", () => {
    expect(fallenRatios([recorded], [stage({ ours: [10, 10, 10], theirs: [10, 10, 10] })])).toEqual([]);
  });
  it("leaves out what the record has not", () => {
    const now = stage({ ours: [1, 1, 1], theirs: [100, 100, 100] });
    expect(fallenRatios([], [now])).toEqual([]);
    expect(fallenRatios([{ ...recorded, rows: [] }], [now])).toEqual([]);
  });
});

describe("judge", () => {
  const form = { rounds: 3, runtimeMs: 250, sizeBytes: 2 ** 28 };
  const record: Results = { ...results, quick: { ...form, stages: [recorded] } };
  const now = (ours: number[]): Results => ({
    ...results,
    ...form,
    stages: [stage({ ours, theirs: [100, 100, 100] })],
  });

  const never = (): never => {
    throw new Error("measured again");
  };
  /** Measures the ratios of `ours` when it is asked to. */
  const again = (ours: number[]) => (keys: readonly string[]) => {
    expect(keys).toEqual(["loop/randread"]);
    return Promise.resolve(now(ours).stages);
  };

  it("fails with a line for each ratio that fell again, and how busy the machine was", async () => {
    const { lines, isWorse } = await judge("record.json", record, now([10, 20, 30]), again([50, 60, 70]));
    expect(isWorse).toBe(true);
    expect(lines).toEqual([
      "fallen: kmemfs-direct, loop/randread against loop: 0.50, 0.60, 0.70 ×, the record says 1.00 × (other programs took 7 % of the CPUs, at the record 7 %)",
      "Ratios below 0.85 of those of record.json in every round: 1.",
    ]);
  });
  it("passes when what had fallen does not fall again", async () => {
    const { lines, isWorse } = await judge("record.json", record, now([10, 20, 30]), again([50, 60, 90]));
    expect(isWorse).toBe(false);
    expect(lines.join()).toMatch(/every round: none/);
  });
  it("passes when another falls then", async () => {
    const slow = { ours: [2, 2, 2], theirs: [1, 1, 1] };
    const other = () => Promise.resolve([stage({ ours: [99, 99, 99], theirs: [100, 100, 100] }, slow)]);
    expect((await judge("record.json", record, now([10, 20, 30]), other)).isWorse).toBe(false);
  });
  it("passes when nothing has fallen, and measures nothing again", async () => {
    const { lines, isWorse } = await judge("record.json", record, now([99, 99, 99]), never);
    expect(isWorse).toBe(false);
    expect(lines.join()).toMatch(/every round: none/);
  });
  it("says why it does not compare, and passes", async () => {
    const { quick: _, ...older } = record;
    expect(await judge("r", older, now([1, 1, 1]), never)).toEqual({
      ...{ isWorse: false, lines: ["Not compared with r: it has no figures of the short form."] },
    });
    expect((await judge("r", record, { ...now([1, 1, 1]), sizeBytes: 1 }, never)).lines[0]).toMatch(/sizes .* differ/);
    expect((await judge("r", record, { ...now([1, 1, 1]), rounds: 2 }, never)).lines[0]).toMatch(/takes 3 rounds/);
  });
});

describe("lastRecord", () => {
  it("is the file of the latest date, or none", () => {
    const directory = mkdtempSync(join(tmpdir(), "kmemfs-unit-"));
    try {
      expect(lastRecord(directory)).toBeUndefined();
      for (const name of ["2026-02-01T0000.json", "2026-11-22T1716.json", "2026-03-01T0000.json", "notes.txt"]) {
        writeFileSync(join(directory, name), "");
      }
      mkdirSync(join(directory, "zzz"));
      expect(lastRecord(directory)).toBe(join(directory, "2026-11-22T1716.json"));
      expect(lastRecord(join(directory, "absent"))).toBeUndefined();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
