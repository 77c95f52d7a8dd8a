import { expect, it } from "vitest";
import { planPool } from "../../../src/media/poolPlan.js";

it("leaves pages to spare for atomic writes, whether sizes are given or not", () => {
  for (const request of [{}, { sizeBytes: 64 * 2 ** 20 }, { poolSizeBytes: 64 * 2 ** 20 }]) {
    const { geometry, blocks } = planPool({ ...request, atomicWrites: true });
    expect(geometry.dataPages - blocks).toBeGreaterThanOrEqual(1024);
  }
  for (const pages of [3, 20, 100, 16384]) {
    const { geometry, blocks } = planPool({ atomicWrites: true }, pages);
    expect(blocks).toBe(geometry.maxBlocks);
    expect(geometry.dataPages - blocks).toBeGreaterThanOrEqual(pages > 17 ? 16 : 0);
    expect(planPool({}, pages).blocks).toBe(planPool({}, pages).geometry.dataPages);
  }
});
