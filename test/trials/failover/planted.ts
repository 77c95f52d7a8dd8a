/** Proves the trial: each bug is planted in a copy of the compiled tree, and the trial that runs there must fail. */
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { plantBug } from "../../support/planted.js";
import { print } from "../load/runTrial.js";
import { type FailoverBug, failoverBugs } from "./bugs.js";

/** A bug that makes somebody wait for ever shows when the trial's patience ends. */
const TIMEOUT_MS = 400_000;

/** @param only words of the names of those to be tried. @returns true when all were found */
export async function findPlanted(count: number, seed: number, only: string): Promise<boolean> {
  const bugs = failoverBugs.filter(({ name }) => name.includes(only));
  let missed = 0;
  for (const bug of bugs) {
    const begunMs = performance.now();
    const output = await tryBug(bug, count, seed);
    const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
    const found = /^trial failover: FAILED: (.*)$/m.exec(output)?.[1];
    if (found === undefined) missed++;
    print(`${bug.name} | ${found ?? "NOT FOUND"} | ${seconds} s`);
    if (found === undefined) print(output);
  }
  print(`trial failover: ${missed === 0 ? "passed" : "FAILED"}, ${bugs.length - missed} of ${bugs.length} bugs found`);
  return missed === 0;
}

function tryBug(bug: FailoverBug, count: number, seed: number): Promise<string> {
  const directory = plantBug(bug);
  const script = join(directory, "test/trials/failover.js");
  const args = [script, `--count=${count}`, `--seed=${seed}`, ...bug.args];
  return new Promise<string>((resolve) => {
    const child = spawn(process.execPath, args, { cwd: "/", stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes: Buffer) => {
        output += bytes.toString();
      });
    }
    child.on("close", () => resolve(output));
  }).finally(() => rmSync(directory, { recursive: true, force: true }));
}
