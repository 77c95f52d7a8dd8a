/** Processes that hold something of a disk and do nothing else. */
import { existsSync, readFileSync } from "node:fs";
import type { Place } from "./place.js";
import { type Background, start, until } from "./processes.js";

const READY_MS = 60_000;
/** Longer than any test: each ends its own. */
const FOREVER = "exec sleep 3600";

/**
 * Runs `line` in a shell, which sleeps then; returns once it is done and the process is called sleep.
 * @param through a command that runs the shell as itself, such as unshare
 */
export async function sleeperAfter(place: Place, line: string, through: readonly string[] = []): Promise<Background> {
  const [command = "", ...args] = [...through, "sh", "-c", `${line} && ${FOREVER}`];
  const sleeper = start(command, args, { cwd: "/" });
  place.cleanup.add(`the process after ${line}`, () => sleeper.stop());
  const isAsleep = (): boolean => {
    if (!existsSync(`/proc/${sleeper.pid}`)) throw new Error(`${line}: it ended\n${sleeper.stderr()}`);
    return readFileSync(`/proc/${sleeper.pid}/comm`, "utf8") === "sleep\n";
  };
  await until(isAsleep, READY_MS, line);
  return sleeper;
}
