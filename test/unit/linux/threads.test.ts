/** Whether a process does anything, from /proc. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { ProcessProgress } from "../../../src/linux/proc/threads.js";

const LOOK_MS = 100;
const MOST_LOOKS = 100;

/** Looks until a look says `wanted`. */
async function sees(pid: number, wanted: boolean): Promise<boolean> {
  const progress = new ProcessProgress(pid);
  progress.hasMoved();
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    await sleep(LOOK_MS);
    if (progress.hasMoved() === wanted) return true;
  }
  return false;
}

it.each([
  ["one that computes moves", ["-c", "while :; do :; done"], true],
  ["one that sleeps does not", ["-c", "exec sleep 60"], false],
] as const)("%s", async (_what, args, moves) => {
  const child = spawn("sh", args, { stdio: "ignore" });
  try {
    expect(await sees(child.pid ?? -1, moves)).toBe(true);
  } finally {
    child.kill("SIGKILL");
  }
});

it("one that is gone does not move", () => {
  expect(new ProcessProgress(2 ** 30).hasMoved()).toBe(false);
});
