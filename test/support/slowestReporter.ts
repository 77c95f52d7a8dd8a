/**
 * Writes how long each test took to the file KMEMFS_TEST_TIMES, one line each, the
 * seconds first: several runs may write to one file. `scripts/slowest.js` reads it.
 */
import { appendFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export class SlowestReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const path = process.env.KMEMFS_TEST_TIMES;
    if (path === undefined || path === "") return;
    const lines = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => {
        const seconds = (test.diagnostic()?.duration ?? 0) / 1000;
        return `${seconds.toFixed(1)} ${module.project.name} ${module.relativeModuleId}: ${test.fullName}\n`;
      }),
    );
    appendFileSync(path, lines.join(""));
  }
}
