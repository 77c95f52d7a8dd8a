/** Sends a server's messages to its holder, and ends the server. Works on any of its threads. */
import { writeSync } from "node:fs";
import { missingProgram } from "../session/program.js";
import type { FromServer } from "../session/serverProtocol.js";

/** sysexits(3) EX_SOFTWARE: a broken invariant. */
const EXIT_SOFTWARE = 70;
const HOLDER_FD = 1;

export function reportToHolder(message: FromServer): void {
  try {
    writeSync(HOLDER_FD, `${JSON.stringify(message)}\n`);
  } catch {
    // The holder is gone; the mount goes on without it.
  }
}

export function warnHolder(message: string): void {
  reportToHolder({ kind: "warning", message });
}

/**
 * Ends the whole process at once. process.exit would wait for threads that
 * block in a read, and what this thread holds (a mutex, an epoch) would make
 * the others wait for it meanwhile.
 */
export function die(error: unknown): never {
  if (isUnloaded(error)) reportToHolder({ kind: "unloaded", message: missingProgram() ?? (error as Error).message });
  else
    reportToHolder({ kind: "fatal", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.kill(process.pid, "SIGKILL");
  process.exit(EXIT_SOFTWARE);
}

/** A module that a thread needs is not there (any more). */
function isUnloaded(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
}
