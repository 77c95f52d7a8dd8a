/** Commands of kmemfs as it was built from the tree of this trial: a bug that was planted there is in its servers. */
import { fileURLToPath } from "node:url";
import { type RunOptions, type RunResult, run } from "../../support/processes.js";

export const kmemfsMain = fileURLToPath(new URL("../../../dist/kmemfs.cjs", import.meta.url));

export function kmemfs(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(process.execPath, [kmemfsMain, ...args], { cwd: "/", timeoutMs: 60_000, ...options });
}

/** @throws Error when the pool has a fault, or was not closed */
export async function requireClean(pool: string): Promise<void> {
  const { stdout } = await kmemfs(["check", pool]);
  if (!/: clean, /.test(stdout)) throw new Error(`not clean after an unmount: ${stdout}`);
}
