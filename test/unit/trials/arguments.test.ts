import { expect, it } from "vitest";
import { trialArguments } from "../../trials/arguments.js";

it("takes a value after the name or behind an equals sign", () => {
  expect(trialArguments(5, ["--count", "12", "--seed=7", "--forever", "--kind", "thin, durable", "--planted"])).toEqual(
    {
      count: 12,
      seed: 7,
      more: { count: "12", seed: "7", forever: "", kind: "thin, durable", planted: "" },
    },
  );
});

it("without a count does the default, with a seed of its own", () => {
  const { count, seed } = trialArguments(5, []);
  expect(count).toBe(5);
  expect(Number.isSafeInteger(seed)).toBe(true);
});

it.each([[["--count", "x"]], [["--count", "0"]], [["--count"]], [["--seed", "x"]], [["12"]], [["-n", "12"]]])(
  "%j is refused",
  (args) => {
    expect(() => trialArguments(5, args)).toThrow();
  },
);
