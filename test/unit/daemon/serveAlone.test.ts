/** The main thread serves by itself: what it does between requests, and when it wants threads. */
import { describe, expect, it } from "vitest";
import { EAGAIN, ENODEV } from "../../../src/base/errno.js";
import type { ThreadStack } from "../../../src/daemon/server/compose.js";
import { Load, serveAlone } from "../../../src/daemon/server/serveAlone.js";
import { HEARTBEAT_WORDS, Heartbeat, Heartbeats } from "../../../src/daemon/session/heartbeats.js";

const words = new Int32Array(HEARTBEAT_WORDS);

/** @param reads what each read of the device gives; each is readable at once */
function stackOf(reads: () => number, blocking: boolean[] = [], isReadable = () => true): ThreadStack {
  const channel = { read: reads, writev: () => 0, isReadable, setBlocking: (is: boolean) => void blocking.push(is) };
  return { channel, beat: new Heartbeat(words, 1) } as unknown as ThreadStack;
}

describe("serveAlone", () => {
  it("keeps house in time under any load, and does not block meanwhile", async () => {
    let runs = 0;
    const blocking: boolean[] = [];
    const relief = () => (runs === 3 ? "threads" : null);
    const found = await serveAlone(
      stackOf(() => -EAGAIN, blocking),
      { periodMs: 5, run: () => runs++ },
      relief,
    );
    expect([found, runs, blocking]).toEqual(["threads", 3, [false, true]]);
    expect(new Heartbeats(words).threads()).toEqual([]);
  });

  it("keeps house where there are no requests", async () => {
    let runs = 0;
    const stack = stackOf(
      () => -ENODEV,
      [],
      () => false,
    );
    expect(await serveAlone(stack, { periodMs: 1, run: () => runs++ }, () => (runs === 3 ? "threads" : null))).toBe(
      "threads",
    );
  });

  it("gives the event loop its turn between requests", async () => {
    let isOver = false;
    setImmediate(() => {
      isOver = true;
    });
    const stack = stackOf(() => (isOver ? -ENODEV : -EAGAIN));
    expect(await serveAlone(stack, { periodMs: 600_000, run: () => {} }, () => null)).toBe(null);
  });
});

describe("the load", () => {
  /** Windows of 100 ms. */
  const afterWindows = (...requests: number[]): boolean => {
    const load = new Load(0);
    for (const [i, count] of requests.entries()) {
      for (let n = 0; n < count; n++) load.request(0.01);
      load.window(100 * (i + 1));
    }
    return load.isHigh;
  };
  it.each([
    ["nothing", [], false],
    ["a short burst", [10_000], false],
    ["bursts with a pause", [10_000, 0, 10_000], false],
    ["a little all the time", [99, 99, 99, 99], false],
    ["much for a while", [100, 100], true],
  ] as const)("%s", (_what, windows, isHigh) => expect(afterWindows(...windows)).toBe(isHigh));

  it("one request that takes long is enough", () => {
    const load = new Load(0);
    load.request(21);
    expect(load.isHigh).toBe(true);
  });
});
