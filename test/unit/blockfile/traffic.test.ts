import { expect, it } from "vitest";
import { TRAFFIC_DOUBLES, Traffic, trafficTotals } from "../../../src/blockfile/traffic.js";

it("each thread counts for itself, and the totals are their sum and the last change", () => {
  const slots = new Float64Array(new SharedArrayBuffer(3 * TRAFFIC_DOUBLES * 8));
  let now = 1000;
  const clock = { nowMs: () => now };
  const threads = [0, 1, 2].map((thread) => new Traffic(slots, thread, clock));
  expect(trafficTotals(slots)).toEqual({ readBytes: 0, writtenBytes: 0, discardedBytes: 0, changedMs: 0 });
  threads[0]?.addRead(10);
  expect(trafficTotals(slots).changedMs).toBe(0);
  threads[1]?.addWritten(20);
  now = 3000;
  threads[2]?.addDiscarded(40);
  now = 2000;
  threads[1]?.addWritten(2 ** 40);
  expect(trafficTotals(slots)).toEqual({
    readBytes: 10,
    writtenBytes: 20 + 2 ** 40,
    discardedBytes: 40,
    changedMs: 3000,
  });
});
