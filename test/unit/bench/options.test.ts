import { describe, expect, it } from "vitest";
import { isRecord, parseOptions } from "../../../bench/options.js";

const GIB = 2 ** 30;

describe("parseOptions", () => {
  it("runs everything, three rounds, by default", () => {
    const options = parseOptions([]);
    expect(options).toMatchObject({ rounds: 3, runtimeMs: 1000, sizeBytes: GIB, rows: [], isQuick: false });
    expect(isRecord(options)).toBe(true);
  });
  it("takes single settings before those of --quick", () => {
    expect(parseOptions(["--quick", "--rounds", "7", "--runtime", "0.25"])).toMatchObject({
      rounds: 7,
      runtimeMs: 250,
      isQuick: true,
      sizeBytes: GIB / 4,
    });
  });
  it("takes several rows", () => {
    expect(parseOptions(["--rows", "file/,loop/discard"]).rows).toEqual(["file/", "loop/discard"]);
  });
  it.each([
    [["--rounds", "0"]],
    [["--rounds", "2.5"]],
    [["--runtime", "soon"]],
    [["--size", "5X"]],
    [["--fast"]],
    [["file/"]],
  ])("refuses %j", (args) => {
    expect(() => parseOptions(args)).toThrow();
  });
});

describe("isRecord", () => {
  it.each([[["--quick"]], [["--rows", "file/"]], [["--rounds", "2"]], [["--runtime", "0.9"]], [["--size", "512M"]]])(
    "a run with %j is none",
    (args) => {
      expect(isRecord(parseOptions(args))).toBe(false);
    },
  );
});
