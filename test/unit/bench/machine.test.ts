import { describe, expect, it } from "vitest";
import { parseTicks } from "../../../bench/busy.js";
import { missingPackages } from "../../../bench/packages.js";

describe("parseTicks", () => {
  it("counts idle and iowait as no work", () => {
    expect(parseTicks("cpu  10 1 5 100 20 0 3 1 0 0\ncpu0 1 2 3 4\n")).toEqual({ all: 140, idle: 120 });
  });
});

describe("missingPackages", () => {
  const needs = { nbdfuse: "libnbd-bin", nbdcopy: "libnbd-bin", fio: "fio" };

  it("names each package of a missing command once", () => {
    expect(missingPackages(needs, (name) => name === "fio")).toEqual(["libnbd-bin"]);
  });
  it("is empty when all is there", () => {
    expect(missingPackages(needs, () => true)).toEqual([]);
  });
});
