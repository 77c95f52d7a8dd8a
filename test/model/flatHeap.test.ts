/** Millions of requests leave the heap as it was: 100 million of them in the long run. */
import { expect, it } from "vitest";
import { budget } from "../support/budget.js";
import { run } from "../support/processes.js";
import type { HeapOutput } from "../support/threads/heap.js";
import { compiledScript } from "../support/threads.js";

const REQUESTS = budget(5_000_000);
const SLICES = 10;
/** Code that is compiled late, and caches of the engine. */
const FLAT_BYTES = 300_000;

it(`${REQUESTS} requests leave a flat heap`, async () => {
  const args = ["--expose-gc", "--max-semi-space-size=1", compiledScript("heap"), String(REQUESTS), String(SLICES)];
  const { stdout } = await run(process.execPath, args, { timeoutMs: 600_000 });
  const { usedBytes } = JSON.parse(stdout) as HeapOutput;
  expect(usedBytes).toHaveLength(SLICES);
  expect(Math.max(...usedBytes) - Math.min(...usedBytes), usedBytes.join(" ")).toBeLessThan(FLAT_BYTES);
});
