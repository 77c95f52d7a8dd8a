import { describe, expect, it } from "vitest";
import type { Results, RowResult, StageResult } from "../../../bench/results.js";
import type { Unit } from "../../../bench/rows/row.js";
import { summaryLines } from "../../../bench/summary.js";
import { results } from "./sample.js";

function row(key: string, unit: Unit, figures: Record<string, number>): RowResult {
  const samples = Object.entries(figures).map(([side, value]) => [side, [{ value }, { value }, { value }]]);
  return { key, title: key, unit, busyBefore: 0, samples: Object.fromEntries(samples) };
}

const stage = (name: string, rows: RowResult[]): StageResult => ({ name, title: name, sides: [], missing: [], rows });

const run: Results = {
  ...results,
  stages: [
    stage("file", [
      row("file/randread-4k-j8", "IOPS", {
        "kmemfs-direct": 400,
        "kmemfs-served": 100,
        qemu: 50,
        loop: 1,
        "c-floor": 1,
      }),
    ]),
    stage("loop", [
      row("loop/randread-4k-j8", "IOPS", { "kmemfs-direct": 100, "kmemfs-served": 60, loop: 100, zram: 500 }),
      row("pool/idle-memory", "bytes", { "kmemfs-direct": 2 ** 20, "kmemfs-served": 2 ** 21 }),
    ]),
    stage("files", [
      row("files/tree-unpack", "s", { "kmemfs-direct": 0.5, "kmemfs-served": 1, loop: 0.5, zram: 2, tmpfs: 0.25 }),
      row("files/sqlite-insert", "1/s", { "kmemfs-direct": 100, "kmemfs-served": 98, zram: 102 }),
    ]),
  ],
};
const lines = summaryLines(run);

describe("summaryLines", () => {
  it("has a line for each task that was measured, with the ratios of both ways", () => {
    expect(lines).toContain("| 4 KiB random reads | 100 / 60 | 1.00 / 0.60 | 0.20 / 0.12 |  |  |  | 8.00 / 2.00 |");
    expect(lines).toContain("| unpacking a tree | 0.5 s / 1 s | 1.00 / 0.50 | 4.00 / 2.00 |  | 0.50 / 0.25 |  |  |");
    expect(lines.join("\n")).not.toContain("PostgreSQL");
  });
  it("tells the memory, which those in the kernel have no process for", () => {
    const none = "no process | no process | no process | no process";
    expect(lines).toContain(`| memory of the processes of an idle disk | 1.0 MiB / 2.0 MiB | ${none} |  |  |`);
  });
  it("has no yardstick", () => {
    expect(lines.join("\n")).not.toContain("floor");
  });
  it("says in words where another is better, against the better of our ways", () => {
    expect(lines).toContain(
      "- zram, a device of compressed memory. With data that do not compress it is better at 4 KiB random reads (5.00 ×); worse at unpacking a tree (0.25 ×).",
    );
    expect(lines).toContain(
      "- tmpfs, where files will do and no device is needed: better at unpacking a tree (2.00 ×); worse at nothing.",
    );
  });
  it("says so when another was not measured", () => {
    expect(lines.at(-2)).toMatch(/which take half the memory there: not measured\.$/);
  });
});
