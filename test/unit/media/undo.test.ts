import { describe, expect, it } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { allOrNothing, interruptible } from "../../../src/disk/rollback.js";
import { complaint, run } from "../../../src/linux/process/command.js";

describe("allOrNothing", () => {
  it("undoes in reverse and rethrows", async () => {
    const seen: string[] = [];
    const work = allOrNothing(async (undo) => {
      for (const name of ["a", "b", "c"]) undo.push(name, async () => void seen.push(name));
      throw new UserError("step", "broke");
    });
    await expect(work).rejects.toThrow("step: broke");
    expect(seen).toEqual(["c", "b", "a"]);
  });

  it("goes on when an undoing fails, and tells of it", async () => {
    const seen: string[] = [];
    const work = allOrNothing(async (undo) => {
      undo.push("a", async () => void seen.push("a"));
      undo.push("b", async () => {
        throw new Error("stuck");
      });
      throw new UserError("step", "broke", { exitCode: 1 });
    });
    await expect(work).rejects.toThrow("step: broke: what was done could not be undone: b: stuck");
    expect(seen).toEqual(["a"]);
  });

  it("undoes nothing after success", async () => {
    const seen: string[] = [];
    await allOrNothing(async (undo) => undo.push("a", async () => void seen.push("a")));
    expect(seen).toEqual([]);
  });
});

it("interruptible aborts on SIGTERM and leaves no handler", async () => {
  const before = process.listenerCount("SIGTERM");
  const work = interruptible("demo", async (signal) => {
    process.kill(process.pid, "SIGTERM");
    await run("sleep", ["20"], { signal });
  });
  await expect(work).rejects.toThrow("demo: stopped by SIGTERM");
  expect(process.listenerCount("SIGTERM")).toBe(before);
});

describe("run", () => {
  it("gives output and exit code", async () => {
    const result = await run("sh", ["-c", "echo out; echo err >&2; exit 3"]);
    expect(result).toEqual({ exitCode: 3, stdout: "out\n", stderr: "err\n" });
    expect(complaint(result)).toBe("err");
  });
  it("ends what takes too long", async () => {
    await expect(run("sleep", ["20"], { timeoutMs: 50 })).rejects.toThrow(
      "sleep: did not finish within 0.05 s (ETIMEDOUT)",
    );
  });
  it("names the package of what is missing", async () => {
    await expect(run("kmemfs-no-such-command", [])).rejects.toThrow("is not installed");
  });
  it("drops the command's own name from its complaint", () => {
    const stderr = "losetup: /x: failed to set up loop device: Invalid argument\n";
    expect(complaint({ exitCode: 1, stdout: "", stderr })).toBe("/x: failed to set up loop device: Invalid argument");
  });
});
