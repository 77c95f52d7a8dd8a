/** The kills of a trial are shared as its text says. */
import { expect, it } from "vitest";
import { planSessions } from "../../trials/failover/plan.js";

const sum = (plans: readonly { kills: number }[]): number => plans.reduce((total, { kills }) => total + kills, 0);

it.each([1, 7, 300, 10_000])("%i kills: a third on each file system, a third of those direct", (count) => {
  const plans = planSessions(count, { only: "", io: "", spanMs: 1 });
  expect(sum(plans)).toBe(count);
  expect(Math.max(...plans.map(({ kills }) => kills))).toBeLessThanOrEqual(100);
  const direct = sum(plans.filter(({ io }) => io === "direct"));
  expect(Math.abs(direct - count / 3)).toBeLessThan(3);
});

it("has every pool among the 300 kills of CI", () => {
  const plans = planSessions(300, { only: "", io: "", spanMs: 1 });
  expect(new Set(plans.map(({ pool }) => pool))).toEqual(new Set(["file", "private tmpfs", "disk", "directory"]));
  expect(new Set(plans.map(({ number }) => number)).size).toBe(plans.length);
});

it.each(["served", "direct"] as const)("one file system, %s alone", (io) => {
  const plans = planSessions(150, { only: "xfs", io, spanMs: 1 });
  expect(sum(plans)).toBe(150);
  expect(plans.every((plan) => plan.fileSystem === "xfs" && plan.io === io)).toBe(true);
});
