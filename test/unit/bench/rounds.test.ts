import { describe, expect, it } from "vitest";
import { inTurn } from "../../../bench/rounds.js";

describe("inTurn", () => {
  it("measures each side once a round and begins with another each time", async () => {
    const order: string[] = [];
    const samples = await inTurn(["a", "b", "c"], 4, async (side, round) => {
      order.push(`${side}${round}`);
      return order.length;
    });
    expect(order.join(" ")).toBe("a0 b0 c0 b1 c1 a1 c2 a2 b2 a3 b3 c3");
    expect(samples.get("b")).toEqual([2, 4, 9, 11]);
  });
  it("never has two under way", async () => {
    let running = 0;
    await inTurn([1, 2], 3, async () => {
      running++;
      expect(running).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    });
  });
  it("ends with the first failure", async () => {
    const measured: string[] = [];
    const measure = async (side: string) => {
      if (side === "bad") throw new Error("broken");
      measured.push(side);
    };
    await expect(inTurn(["good", "bad"], 5, measure)).rejects.toThrow("broken");
    expect(measured).toEqual(["good"]);
  });
});
