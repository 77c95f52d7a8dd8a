import { describe, expect, it } from "vitest";
import { parseBusySeconds, parseProcessSeconds } from "../../../bench/cpu.js";

describe("parseBusySeconds", () => {
  it("leaves out idle, iowait, stolen and guests' time", () => {
    expect(parseBusySeconds("cpu  1000 100 500 9000 200 30 70 5 6 7\ncpu0 1 2 3 4\n")).toBe(17);
  });
});

describe("parseProcessSeconds", () => {
  it("adds up user and system time, of ended children too", () => {
    const behind = "S 1 1 1 0 -1 0 0 0 0 0 100 50 20 30 20 0 9 0";
    expect(parseProcessSeconds(`77 (a name) with) ${behind}`)).toBe(2);
  });
});
