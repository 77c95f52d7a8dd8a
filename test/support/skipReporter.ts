/** Says at the end which tests were skipped and why; with KMEMFS_REQUIRE_KERNEL=1 a skipped test fails the run. */
import type { Reporter, TestCase, TestModule } from "vitest/node";

export class SkipReporter implements Reporter {
  #isFiltered = false;

  /** A name pattern skips what it does not match, and that is meant. */
  onInit(vitest: { readonly config: { readonly testNamePattern?: RegExp | undefined } }): void {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")]);
    if (skipped.length === 0 || this.#isFiltered) return;
    for (const [reason, tests] of groupedByReason(skipped)) {
      process.stdout.write(`\nskipped, ${reason}:\n${tests.map((test) => `  ${test.fullName}\n`).join("")}`);
    }
    if (process.env.KMEMFS_REQUIRE_KERNEL !== "1") return;
    process.stdout.write("\nKMEMFS_REQUIRE_KERNEL=1: a skipped test is a failure\n");
    process.exitCode = 1;
  }
}

function groupedByReason(tests: readonly TestCase[]): Map<string, TestCase[]> {
  const groups = new Map<string, TestCase[]>();
  for (const test of tests) {
    const result = test.result();
    const reason = (result.state === "skipped" && result.note) || "no reason given";
    groups.set(reason, [...(groups.get(reason) ?? []), test]);
  }
  return groups;
}
