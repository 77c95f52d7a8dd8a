import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Cleanup } from "../../support/cleanup.js";
import { appeared, snapshot } from "../../support/machine.js";
import { missingOf } from "../../support/needs.js";
import { run, start, until } from "../../support/processes.js";

/** True while the process runs; a zombie does not. */
function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

describe("run", () => {
  it("gives status and both outputs, and takes input and environment", async () => {
    const script = 'cat; echo "$WORD" >&2; exit 3';
    const result = await run("sh", ["-c", script], { input: "in", env: { WORD: "err" }, allowFail: true });
    expect(result).toEqual({ status: 3, stdout: "in", stderr: "err\n" });
  });

  it("throws on a status other than 0, with what was said", async () => {
    await expect(run("sh", ["-c", "echo why >&2; exit 1"])).rejects.toThrow(/status 1[\s\S]*why/);
  });

  it("throws when there is no such command", async () => {
    await expect(run("/nowhere/command")).rejects.toThrow(/ENOENT/);
  });

  it("has a signal as 128 plus its number", async () => {
    expect((await run("sh", ["-c", "kill -TERM $$"], { allowFail: true })).status).toBe(143);
  });

  it("kills the whole group at the time-out", async () => {
    const failure = run("sh", ["-c", "sleep 60 & echo $!; wait"], { timeoutMs: 2_000 });
    const message = await failure.catch((error: Error) => error.message);
    const grandchild = Number(/stdout: (\d+)/.exec(String(message))?.[1]);
    expect(message).toMatch(/no end within 2000 ms/);
    await until(() => !isAlive(grandchild), 60_000, "the grandchild's end");
  });

  it("does not wait for a daemon that keeps the pipes open", async () => {
    const result = await run("sh", ["-c", "setsid sleep 120 & echo $!"], { timeoutMs: 60_000 });
    process.kill(Number(result.stdout));
  });
});

describe("start", () => {
  it("waits for words and stops the child", async () => {
    const child = start("sh", ["-c", "echo ready; exec sleep 60"]);
    await child.waitFor(/ready/, 60_000);
    expect(await child.stop()).toBe(143);
    expect(isAlive(child.pid)).toBe(false);
  });

  it("kills a child that does not heed SIGTERM", async () => {
    const child = start("sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    await child.waitFor(/ready/, 60_000);
    expect(await child.stop(200)).toBe(137);
  });

  it("says so when the child ends first", async () => {
    const child = start("sh", ["-c", "echo sorry >&2; exit 1"]);
    await expect(child.waitFor(/ready/, 60_000)).rejects.toThrow(/ended before[\s\S]*sorry/);
  });
});

describe("Cleanup", () => {
  it("undoes the last first, goes on after a failure and reports it", async () => {
    const order: string[] = [];
    const cleanup = new Cleanup();
    cleanup.add("first", () => order.push("first"));
    cleanup.add("second", () => {
      throw new Error("no");
    });
    cleanup.add("third", async () => order.push("third"));
    await expect(cleanup.run()).rejects.toThrow("undoing second: no");
    expect(order).toEqual(["third", "first"]);
    await cleanup.run();
    expect(order).toEqual(["third", "first"]);
  });
});

describe("the machine", () => {
  it("has nothing new since a moment ago", () => {
    const before = snapshot();
    expect(appeared(before, before)).toEqual({ mounts: [], loopDevices: [], processes: [] });
  });
});

describe("missingOf", () => {
  it("names each thing that is missing", () => {
    const missing = missingOf({ commands: ["sh", "no-such-command"], files: ["/nowhere"], kernel: "99.1" });
    expect(missing).toEqual(["needs the command no-such-command", "needs /nowhere", "needs Linux 99.1"]);
  });

  it("is empty when all is there", () => {
    expect(missingOf({ commands: ["sh"], files: ["/proc"], kernel: "4.0", fileSystems: ["proc"] })).toEqual([]);
  });
});
