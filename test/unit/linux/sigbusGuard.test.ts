/** The SIGBUS guard. Each case runs in a child, which dies of the signal where the guard does not hold it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it, type TestContext } from "vitest";
import { handlerCode } from "../../../src/linux/memory/sigbusCode.js";
import { Faults } from "../../../src/linux/memory/sigbusGuard.js";
import { type RunResult, run, start } from "../../support/processes.js";
import type { LostCase } from "../../support/threads/lostMemory.js";
import { compiledScript } from "../../support/threads.js";

const DIED = 128 + 7;
const hasGuard = handlerCode(process.arch) !== null;

const child = (name: LostCase, how: "guarded" | "bare"): Promise<RunResult> =>
  run(process.execPath, [compiledScript("lostMemory"), name, how], { timeoutMs: 20_000, allowFail: true });

/** What the guarded child says; skips where the machine lacks what the case needs. */
async function guarded(context: TestContext, name: LostCase): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await child(name, "guarded");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const said = JSON.parse(stdout) as Record<string, unknown>;
  if (said.skip !== undefined) context.skip(String(said.skip));
  return said;
}

describe.skipIf(!hasGuard)("SIGBUS in a guarded range", () => {
  it("reads ones from a truncated file, loses stores, and leaves the rest as it is", async (context) => {
    expect(await guarded(context, "truncated")).toMatchObject({
      viewed: 0xff,
      copied: true,
      stored: [1, 0xff],
      word: -1,
      intact: true,
      count: 4,
      firstPage: 9,
      lastPage: 15,
    });
  });

  it("holds when threads fault at once, on the same and on different pages", async (context) => {
    const said = await guarded(context, "threads");
    expect(said.wrong).toEqual([0, 0, 0, 0]);
    expect(said.count).toBeGreaterThanOrEqual(4096);
  });

  it("reads ones from a poisoned page", async (context) => {
    expect(await guarded(context, "poisoned")).toMatchObject({ read: 0xff, before: 7, after: 0, count: 1 });
  });

  it("maps whole grains where pages are huge", async (context) => {
    expect(await guarded(context, "huge")).toMatchObject({ read: 0xff, all: true, count: 1 });
  });

  it.each<LostCase>(["truncated", "threads", "poisoned", "huge"])("kills without the guard: %s", async (name) => {
    const { status, stdout } = await child(name, "bare");
    if (!stdout.includes('"skip"')) expect({ status, stdout }).toEqual({ status: DIED, stdout: "" });
  });
});

describe.skipIf(!hasGuard)("any other SIGBUS", () => {
  it.each<LostCase>(["outside", "forgotten", "forged"])("kills: %s", async (name) => {
    const { status, stdout } = await child(name, "guarded");
    expect({ status, stdout }).toEqual({ status: DIED, stdout: "" });
  });

  it("kills when it is sent from outside", async () => {
    const background = start(process.execPath, [compiledScript("lostMemory"), "killed", "guarded"]);
    try {
      await background.waitFor(/ready/);
      process.kill(background.pid, "SIGBUS");
      expect(await background.exited).toBe(DIED);
    } finally {
      await background.stop();
    }
  });
});

describe("the guard", () => {
  it("is not there for architectures without code", () => {
    expect(handlerCode("riscv64")).toBeNull();
  });

  it("reads the words of the handler as unsigned numbers", () => {
    const words = new Int32Array([-1, 0, 0x89abc000 | 0, 0x7f12, 0xfffff000 | 0, 0x7fff]);
    const faults = new Faults(words);
    expect([faults.count, faults.firstAddress, faults.lastAddress]).toEqual([
      0xffffffff, 0x7f1289abc000, 0x7ffffffff000,
    ]);
  });

  it("has SIGBUS for itself: Node handles none", () => {
    const caught = (): bigint => {
      const status = readFileSync("/proc/self/status", "utf8");
      return BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1]}`);
    };
    const probe = "process.stdout.write(require('fs').readFileSync('/proc/self/status', 'utf8'))";
    const bare = execFileSync(process.execPath, ["-e", probe], { encoding: "utf8", timeout: 60_000 });
    const mask = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(bare)?.[1]}`);
    expect([(mask >> 6n) & 1n, (caught() >> 6n) & 1n]).toEqual([0n, 0n]);
  });
});
