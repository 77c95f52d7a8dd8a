/** A trial on real mounts from beginning to end: what it needs, its place, its last line, and its cleaning up. */
import { missingOf, type Needs } from "../../support/needs.js";
import { FAILED_MS, Place } from "../../support/place.js";

/** On tmpfs: what is written there is there at once, and no disk is slow. */
const PARENT = "/dev/shm";

export const print = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * Runs `body` in a place of its own on tmpfs and cleans up, also after a failure and after Ctrl-C.
 * @param replay the command that does the same again
 * @param body returns the figures for the last line
 */
export async function runTrial(
  name: string,
  replay: string,
  needs: Needs,
  body: (place: Place) => Promise<string>,
): Promise<void> {
  const missing = missingOf({ ...needs, files: [PARENT] });
  if (missing.length > 0) return fail(name, missing.join(", "));
  const place = new Place(PARENT);
  let isInterrupted = false;
  const interrupted = (): void => {
    isInterrupted = true;
    print("interrupted; cleaning up");
    place.end(FAILED_MS).finally(() => {
      fail(name, "interrupted");
      process.exit();
    });
  };
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    const figures = await body(place);
    const wrong = await place.end();
    if (wrong.length > 0) fail(name, wrong.join("; "));
    else print(`trial ${name}: passed, ${figures}`);
  } catch (error) {
    // What was taken away under it fails: the other end counts.
    if (isInterrupted) return;
    const wrong = await place.end(FAILED_MS);
    for (const line of wrong) print(`cleaning up: ${line}`);
    print(String((error as Error).stack));
    print(`again: ${replay}`);
    fail(name, (error as Error).message.split("\n")[0] ?? "");
  }
  process.exit();
}

function fail(name: string, reason: string): void {
  print(`trial ${name}: FAILED: ${reason}`);
  process.exitCode = 1;
}
