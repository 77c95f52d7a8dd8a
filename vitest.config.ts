import { availableParallelism } from "node:os";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { patience } from "./test/support/patience.js";
import { ResultsReporter } from "./test/support/resultsReporter.js";
import { SkipReporter } from "./test/support/skipReporter.js";
import { kernelLanes, type Lane } from "./test/support/ways.js";

/** A longer budget of random operations gets a longer time. */
const factor = Math.max(1, Number(process.env.KMEMFS_TEST_BUDGET ?? "1"));

const files = (names: readonly string[]): string[] => names.map((name) => `test/kernel/${name}.test.ts`);

/** Free memory, CPUs and the mount table are shared: one file at a time. */
const kernel = (
  [name, { way, include, exclude, noSpare }]: [string, Lane],
  i: number,
): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    include: files(include),
    exclude: files(exclude),
    env: { KMEMFS_TEST_IO: way, ...(noSpare ? { KMEMFS_TEST_SPARE: "0" } : {}) },
    fileParallelism: false,
    // Against a hang, as above: each wait in them has a limit of its own.
    testTimeout: 300_000 * patience,
    hookTimeout: 300_000 * patience,
    sequence: { groupOrder: 1 + i },
  },
});

export default defineConfig({
  test: {
    reporters: ["default", new SkipReporter(), new ResultsReporter()],
    // A fork and not a thread: koffi and mapped memory live in a process that may be killed.
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/{unit,model,protocol}/**/*.test.ts"],
          // Against a hang: no test is judged by it, however loaded the machine is.
          testTimeout: 120_000 * factor * patience,
          // Vitest would leave one CPU of two idle.
          maxWorkers: availableParallelism(),
        },
      },
      ...Object.entries(kernelLanes()).map(kernel),
    ],
  },
});
