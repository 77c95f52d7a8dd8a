/** With source maps, as under --debug, stack traces of the bundles name lines of src/. */
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { HOLDER_PROGRAM, THREAD_PROGRAM } from "../../../src/linux/process/programs.js";
import { type RunResult, run } from "../../support/processes.js";
import { kmemfsProgram, projectRoot } from "../../support/project.js";

/** Fails for want of what it is to do. */
function fail(nodeArgs: readonly string[], program: string): Promise<RunResult> {
  const thread = ["-e", `new (require("node:worker_threads").Worker)(${JSON.stringify(program)})`];
  const started = program === THREAD_PROGRAM ? thread : [program, "{"];
  return run(process.execPath, [...nodeArgs, ...started], { allowFail: true });
}

const src = join(projectRoot, "src");

for (const [program, module] of [
  [HOLDER_PROGRAM, "daemon/holder/holderMain.ts"],
  [THREAD_PROGRAM, "daemon/server/threadMain.ts"],
] as const) {
  it(`${basename(program)}`, async () => {
    expect((await fail(["--enable-source-maps"], program)).stderr).toMatch(new RegExp(`at .*${src}/${module}:\\d+:`));
    // They cost each start some milliseconds.
    expect((await fail([], program)).stderr).not.toContain(src);
  });
}

it("kmemfs --debug, in more than one file", async () => {
  const command = ["mount", "/nonexistent/disk"];
  const { stderr } = await run(process.execPath, [kmemfsProgram, ...command, "--debug"], { allowFail: true });
  expect(stderr).toMatch(new RegExp(`at .*${src}/cli/mountpoint.ts:\\d+:`));
  expect(stderr).toMatch(new RegExp(`at .*${src}/cli/mount.ts:\\d+:`));
  const plain = await run(process.execPath, [kmemfsProgram, ...command], { allowFail: true });
  expect(plain.stderr).toMatch(/^kmemfs: .*\ntry: .*\n$/);
});
