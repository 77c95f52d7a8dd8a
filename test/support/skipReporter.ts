/** Says at the end which tests were skipped and why; with KMEMFS_REQUIRE_KERNEL=1 a skipped test fails the run. */

import type { Reporter, TestCase, TestModule } from "vitest/node";
import { LONG_FORM_NOTE } from "./longForm.js";

export class SkipReporter implements Reporter {
  #isFiltered = false;

  /** A name pattern skips what it does not match, and that is meant. */
  onInit(vitest: { readonly config: { readonly testNamePattern?: RegExp | undefined } }): void {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const all = modules.flatMap((module) => [...module.children.allTests("skipped")]);
    const skipped = all.filter((test) => reasonOf(test) !== LONG_FORM_NOTE);
    if (all.length > skipped.length) process.stdout.write(`\n${all.length - skipped.length} ${LONG_FORM_NOTE}\n`);
    if (skipped.length === 0 || this.#isFiltered) return;
    for (const [reason, tests] of groupedByReason(skipped)) {
      process.stdout.write(`\nskipped, ${reason}:\n${tests.map((test) => `  ${test.fullName}\n`).join("")}`);
    }
    if (process.env.KMEMFS_REQUIRE_KERNEL !== "1") return;
    process.stdout.write("\nKMEMFS_REQUIRE_KERNEL=1: a skipped test is a failure\n");
    process.exitCode = 1;
  }
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  return (result.state === "skipped" && result.note) || "no reason given";
}

function groupedByReason(tests: readonly TestCase[]): Map<string, TestCase[]> {
  const groups = new Map<string, TestCase[]>();
  for (const test of tests) {
    const reason = reasonOf(test);
    groups.set(reason, [...(groups.get(reason) ?? []), test]);
  }
  return groups;
}
