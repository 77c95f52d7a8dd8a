/** What the guest tells the one who watches it. */
import { writeSync } from "node:fs";

const begunMs = performance.now();

/** A line on the console, with the seconds since the stage began. */
export function say(line: string): void {
  writeSync(1, `guest ${((performance.now() - begunMs) / 1000).toFixed(0).padStart(3)} s: ${line}\n`);
}

/** Does one thing, and says that it was right. */
export async function step(name: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    (error as Error).message = `${name}: ${(error as Error).message}`;
    throw error;
  }
  say(name);
}
