/** What blocks a thread is freed by another one, in time or not at all. */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withinLimit } from "../../../src/linux/process/blockingLimit.js";

let directory = "";
let fd = -1;
const text = (): string => readFileSync(join(directory, "abort"), "utf8");

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-limit-"));
  fd = openSync(join(directory, "abort"), "w");
});
afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

const LONG = { limitMs: 60_000, mostMs: 60_000 };

it("begins the limit anew as long as whoever is waited for goes on, but not without end", () => {
  const path = join(directory, "beats");
  writeFileSync(path, "0000");
  const beats = openSync(path, "r+");
  const progress = { fd: beats, at: 2, lengthBytes: 2 };
  const wait = new Int32Array(new SharedArrayBuffer(4));
  const limits = { limitMs: 200, mostMs: 60_000, progress };
  let pauseMs = 0;
  /** Goes on for so many steps, and waits to be freed. @returns after how many it was */
  const stepsOf = (steps: number, at: number, mostMs: number): number => {
    truncateSync(join(directory, "abort"));
    let lastMs = performance.now();
    const goOn = (): number => {
      let step = 0;
      for (; text() === ""; step++) {
        if (step < steps) {
          writeSync(beats, String.fromCharCode(step % 128), at);
          pauseMs = Math.max(pauseMs, performance.now() - lastMs);
          lastMs = performance.now();
        }
        Atomics.wait(wait, 0, 0, 20);
      }
      return step;
    };
    return withinLimit(fd, { ...limits, mostMs }, goOn).result;
  };
  const steps = stepsOf(40, 3, 60_000);
  // Who had no CPU for so long did not go on.
  if (pauseMs < limits.limitMs) expect(steps).toBeGreaterThanOrEqual(40);
  expect(stepsOf(1_000, 1, 60_000)).toBeLessThan(1_000);
  expect(stepsOf(1_000, 3, 300)).toBeLessThan(1_000);
  closeSync(beats);
});

it("frees what would block for ever", () => {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  const blocks = (): string => {
    while (text() === "") Atomics.wait(wait, 0, 0, 5);
    return "freed";
  };
  expect(withinLimit(fd, { limitMs: 50, mostMs: 50 }, blocks)).toEqual({ result: "freed", inTime: false });
  expect(text()).toBe("1");
});

it("writes nothing where it ends in time, or throws", () => {
  expect(withinLimit(fd, LONG, () => 7)).toEqual({ result: 7, inTime: true });
  const throws = (): never => {
    throw new Error("a bug");
  };
  expect(() => withinLimit(fd, LONG, throws)).toThrow("a bug");
  expect(text()).toBe("");
});
