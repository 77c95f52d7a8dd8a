/** The short list of kernel tests, on a kernel that lacks what this project can do without. */
import { equal, match } from "node:assert/strict";
import { missingOf } from "../../../support/needs.js";
import { Place } from "../../../support/place.js";
import { run } from "../../../support/processes.js";
import { projectRoot } from "../../../support/project.js";
import { say, step } from "./say.js";

const FILES = ["fallocate", "discard-device"];
/** Of the tests in them: each takes half a minute there. */
const NAMES = "PUNCH_HOLE with|mode 0 reserves|of a part leaves";

export async function otherKernel(): Promise<void> {
  const place = new Place("/tmp");
  await step("mount says what the kernel lacks", async () => {
    const directory = place.makeDirectory("disk");
    place.endsWithUs(directory);
    const { stdout } = await place.kmemfs(["mount", directory, "--size", "16M"]);
    if (missingOf({ kernel: "6.9" }).length > 0) match(stdout, /lacks.*6\.9/);
    await place.kmemfs(["unmount", directory]);
  });
  equal((await place.end()).join("; "), "");
  const files = FILES.map((name) => `test/kernel/${name}.test.ts`);
  const args = ["node_modules/vitest/vitest.mjs", "run", "--project", "kernel-direct*", "-t", NAMES, ...files];
  const { status, stdout, stderr } = await run(process.execPath, args, {
    cwd: projectRoot,
    timeoutMs: 40_000,
    allowFail: true,
    env: { KMEMFS_REQUIRE_KERNEL: "1", NO_COLOR: "1" },
  });
  const output = `${stdout}\n${stderr}`;
  equal(status, 0, output);
  say(`${/Tests +(.*)/.exec(output)?.[1]} of ${FILES.join(", ")}`);
}
