import { describe, expect, it } from "vitest";
import { parseTransactions } from "../../../bench/rows/postgres.js";

describe("parseTransactions", () => {
  it("reads the rate of pgbench's report", () => {
    const said =
      "latency average = 2.1 ms\ninitial connection time = 9 ms\ntps = 1875.250 (without initial connection time)\n";
    expect(parseTransactions(said)).toBe(1875.25);
  });
  it("refuses a report without one", () => {
    expect(() => parseTransactions("pgbench: error\n")).toThrow(/did nothing/);
    expect(() => parseTransactions("tps = 0.000000 (without initial connection time)\n")).toThrow(/did nothing/);
  });
});
