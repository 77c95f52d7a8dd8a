/**
 * Writes how long each test took, and what failed and why, to files in the directory
 * KMEMFS_TEST_RESULTS; several runs may add to them. `scripts/results.js` reads them:
 * the end of a log is often all that is left of it.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Of each error, and of a diff in it, the first lines say what it is. */
const ERROR_LINES = 12;

export class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const directory = process.env.KMEMFS_TEST_RESULTS;
    if (directory === undefined || directory === "") return;
    appendFileSync(join(directory, "times"), modules.flatMap(timesOf).join(""));
    const failures = [...modules.flatMap(failuresOf), ...textOf("outside of any test", unhandled)];
    appendFileSync(join(directory, "failures"), failures.join(""));
  }
}

const nameOf = (module: TestModule): string => `${module.project.name} ${module.relativeModuleId}`;

function timesOf(module: TestModule): string[] {
  return [...module.children.allTests()].map((test) => {
    const seconds = (test.diagnostic()?.duration ?? 0) / 1000;
    return `${seconds.toFixed(1)} ${nameOf(module)}: ${test.fullName}\n`;
  });
}

/** Of tests, and of modules and suites, whose hooks fail outside of a test. */
function failuresOf(module: TestModule): string[] {
  const parts = [module, ...module.children.allSuites()].flatMap((part) => textOf(nameOf(module), part.errors()));
  const tests = [...module.children.allTests("failed")].flatMap((test) =>
    textOf(`${nameOf(module)}: ${test.fullName}`, test.result().errors ?? []),
  );
  return [...parts, ...tests];
}

function textOf(name: string, errors: readonly SerializedError[]): string[] {
  return errors.map((error) => {
    const text = stripVTControlCharacters([error.stack ?? error.message, error.diff ?? ""].join("\n"));
    const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.includes("node_modules"));
    return `${[name, ...lines.slice(0, ERROR_LINES).map((line) => `    ${line}`)].join("\n")}\n`;
  });
}
