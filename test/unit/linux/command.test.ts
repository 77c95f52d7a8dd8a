import { expect, it } from "vitest";
import { run, startAnswerer } from "../../../src/linux/process/command.js";

it("a command that was started in advance answers line after line, and its time begins with each", async () => {
  const child = startAnswerer("cat", []);
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const line of ["words", "more words"]) {
    expect(await child.ask(line, { timeoutMs: 60_000 })).toEqual({ exitCode: 0, stdout: line, stderr: "" });
    expect(child.isReady).toBe(true);
  }
  expect(await child.askLast("last", {})).toEqual({ exitCode: 0, stdout: "last\n", stderr: "" });
  expect(child.isReady).toBe(false);
});

it("one that ends before it is asked says why, and is not asked again", async () => {
  const child = startAnswerer("sh", ["-c", "exec 0<&-; echo no >&2; exit 3"]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await child.ask("words", {})).toMatchObject({ exitCode: 3, stderr: "no\n" });
  expect(child.isReady).toBe(false);
});

it("one that does not answer is killed, and not asked again", async () => {
  const child = startAnswerer("sleep", ["300"]);
  await expect(child.ask("words", { timeoutMs: 50 })).rejects.toThrow("sleep: did not finish within 0.05 s");
  expect(child.isReady).toBe(false);
});

it("one that cannot be started says so when it is asked", async () => {
  const child = startAnswerer("no-such-command", []);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await expect(child.ask("", {})).rejects.toThrow("the command no-such-command is not installed");
});

it("a command that takes too long is killed, and one that is aborted rejects with the reason", async () => {
  await expect(run("sleep", ["300"], { timeoutMs: 50 })).rejects.toThrow("sleep: did not finish within 0.05 s");
  const abort = new AbortController();
  const aborted = run("sleep", ["300"], { signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
});

it("commands and processes for calls get no options for Node, and no certificates", async () => {
  const names = ["NODE_EXTRA_CA_CERTS", "NODE_OPTIONS"] as const;
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = "--no-deprecation";
  try {
    const printed = [await run("env", []), await startAnswerer("env", []).askLast("", {})];
    for (const { stdout } of printed) {
      expect(stdout).toMatch(/^PATH=/m);
      for (const name of names) expect(stdout).not.toContain(`${name}=`);
    }
  } finally {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  }
});
