import { describe, expect, it } from "vitest";
import { markdownPage, terminalLines } from "../../../bench/page.js";
import { formatFigure, markdownTable, parted, sectionsOf, terminalTable } from "../../../bench/table.js";
import { targets } from "../../../bench/targets.js";
import { fileStage, loopStage, results } from "./sample.js";

const [file, loop] = sectionsOf(results);

describe("formatFigure", () => {
  it.each([
    [123_456, "IOPS", "123k"],
    [9_214, "IOPS", "9.21k"],
    [1_000_000, "IOPS", "1000k"],
    [856.4, "IOPS", "856"],
    [7_053, "MiB/s", "7.05k MiB/s"],
    [0.15149, "s", "0.151 s"],
    [19.53, "us", "19.5 us"],
    [1234, "1/s", "1.23k /s"],
    [1.024, "×", "1.02 ×"],
    [4096, "bytes", "4.0 KiB"],
  ] as const)("%d %s is %s", (value, unit, text) => {
    expect(formatFigure(value, unit)).toBe(text);
  });
});

describe("terminalTable", () => {
  it("has a line for each peer, and a row's title once", () => {
    expect(terminalTable(file!)).toEqual([
      "ROW                                            OURS                   RANGE  PEER     THEIRS       RANGE  RATIO         RANGE       TARGET",
      "4 KiB random read, 8 jobs                      100k             50k to 120k  nbdfuse     20k  10k to 40k   5.00  3.00 to 5.00        ≥ 5 ×  pass",
      "                                               100k             50k to 120k  qemu        40k  20k to 60k   2.50  2.00 to 2.50      ≥ 2.8 ×  FAIL",
      "4 KiB random read, 8 jobs: p99.9 latency     200 us              100 to 300  qemu     500 us  300 to 600   2.00  1.50 to 5.00        > 1 ×  pass",
      "resident memory                           130.0 MiB  130.0 MiB to 130.0 MiB                                                    ≤ 143.1 MiB  pass",
    ]);
  });
});

describe("markdownTable", () => {
  it("names the row's key, by which it is measured again", () => {
    expect(markdownTable(loop!)).toEqual([
      "| row | ours | range | peer | theirs | range | ratio | range | target |  | key |",
      "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |",
      "| discard | 0.25 s | 0.2 to 0.3 | loop | 0.1 s | 0.1 to 0.1 | 0.40 | 0.33 to 0.50 | ≥ 0.95 × | FAIL | `loop/discard` |",
    ]);
  });
});

describe("terminalLines", () => {
  it("counts the targets and names who was left out", () => {
    const lines = terminalLines(results);
    expect(lines).toContain(`3 of 5 targets met, ${targets.length - 5} not measured.`);
    expect(lines).toContain("missed: kmemfs-served, file/randread-4k-j8 against qemu: 2.50 ×, wanted ≥ 2.8 ×");
    expect(lines).toContain("missed: kmemfs-served, loop/discard against loop: 0.40 ×, wanted ≥ 0.95 ×");
    expect(lines).toContain("qemu-uring was left out: not installed: apt-get install x");
    expect(lines.join()).not.toContain("noisy");
  });
  it("warns of a busy machine", () => {
    const stages = results.stages.map((stage) => ({
      ...stage,
      rows: stage.rows.map((row) => ({ ...row, busyBefore: 0.4 })),
    }));
    const last = terminalLines({ ...results, stages }).at(-1);
    expect(last).toBe("Other programs took 40 % of the CPUs between the rows, 40 % at most: the figures are noisy.");
  });
});

describe("markdownPage", () => {
  const page = markdownPage(results, "results/x.json");

  it("has the machine, the versions, the command and the recorded file", () => {
    for (const words of [
      "A CPU, 2 CPUs, 24.0 GiB",
      "Linux 6.18",
      "node: v20.20.2",
      "`npm run bench`",
      "(results/x.json)",
    ]) {
      expect(page).toContain(words);
    }
  });
  it("has the targets that are missed, and those that nothing was measured for", () => {
    expect(page).toContain("- kmemfs-served, loop/discard against loop: 0.40 ×, wanted ≥ 0.95 ×");
    expect(page).toMatch(/^- kmemfs-direct: file\/randread-4k-j8 /m);
  });
  it("has latencies and CPU time, a column a side", () => {
    const costs = page.slice(page.indexOf("## CPU time"));
    expect(costs).toContain("| row | kmemfs-served | nbdfuse | qemu |");
    expect(costs).toContain("| 4 KiB random read, 8 jobs | 4 / 16 / 8 |  | 4 / 16 / 8 |");
  });
  it("says what is not measured", () => {
    expect(page).toContain("## What is not measured");
  });
});

describe("parted", () => {
  it("keeps yardsticks apart from what a user could choose", () => {
    const sides = fileStage.sides.map((side) => (side.name === "qemu" ? { ...side, isYardstick: true } : side));
    const { products, yardsticks } = parted({ ...results, stages: [{ ...fileStage, sides }, loopStage] });
    const peersOf = (sections: typeof products) =>
      sections.flatMap(({ comparisons }) => comparisons.flatMap(({ peer }) => peer?.name ?? []));
    expect(new Set(peersOf(products))).toEqual(new Set(["nbdfuse", "loop"]));
    expect(new Set(peersOf(yardsticks))).toEqual(new Set(["qemu"]));
    expect(yardsticks.map(({ title }) => title)).toEqual(["kmemfs served, on the file"]);
  });
});
