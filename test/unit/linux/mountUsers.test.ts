/** Who has a device open: any file will do. */
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ASKER_NAME, usersOfDevice } from "../../../src/linux/proc/mountUsers.js";
import { run, start } from "../../support/processes.js";

it("usersOfDevice names who has it open, but not a process that only asks which file it is on", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kmemfs-users-"));
  const device = join(directory, "device");
  writeFileSync(device, "");
  const asker = join(directory, ASKER_NAME);
  copyFileSync((await run("sh", ["-c", "command -v sleep"])).stdout.trim(), asker);
  chmodSync(asker, 0o755);
  const children = ["sleep", asker].map((program) =>
    start("sh", ["-c", `exec 9<'${device}'; echo open; exec '${program}' 300`]),
  );
  try {
    for (const child of children) await child.waitFor(/open/);
    const namesOf = () => usersOfDevice(device).map(({ pid, name, path }) => [pid, name, path]);
    await expect.poll(namesOf, { timeout: 60_000 }).toEqual([[children[0]?.pid, "sleep", device]]);
  } finally {
    for (const child of children) await child.stop();
    rmSync(directory, { recursive: true });
  }
});
