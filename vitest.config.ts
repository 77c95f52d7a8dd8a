import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { patience } from "./test/support/patience.js";
import { SkipReporter } from "./test/support/skipReporter.js";

/** A longer budget of random operations gets a longer time. */
const factor = Math.max(1, Number(process.env.KMEMFS_TEST_BUDGET ?? "1"));

/** All kernel tests, in one of the two ways of data; loop devices, free memory and CPUs are shared: one file at a time. */
const kernel = (io: "served" | "direct", groupOrder: number): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name: `kernel-${io}`,
    include: ["test/kernel/**/*.test.ts"],
    // These name the way of each of their mounts, or it makes no difference to them: once is enough.
    exclude: io === "served" ? ["test/kernel/direct-*.test.ts"] : ["test/kernel/{recover,rehome,doctor}.test.ts"],
    env: { KMEMFS_TEST_IO: io },
    fileParallelism: false,
    testTimeout: 120_000 * patience,
    hookTimeout: 60_000 * patience,
    sequence: { groupOrder },
  },
});

export default defineConfig({
  test: {
    reporters: ["default", new SkipReporter()],
    // A fork and not a thread: koffi and mapped memory live in a process that may be killed.
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/{unit,model,protocol}/**/*.test.ts"],
          testTimeout: 30_000 * factor,
        },
      },
      kernel("served", 1),
      kernel("direct", 2),
    ],
  },
});
