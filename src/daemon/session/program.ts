/**
 * The files that a server is started from. They may be removed while a disk is up
 * (an uninstall) or be incomplete (an upgrade): then no server can be started, which
 * is not a failure of the server and may pass.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { filesOf, SERVER_PROGRAM, THREAD_PROGRAM } from "../../linux/process/programs.js";

const FILES: readonly string[] = [...filesOf(SERVER_PROGRAM), THREAD_PROGRAM, process.execPath, ...koffi()];

/** The package that may be swept away alone. Looked up as this is loaded: when it is gone it has no path. */
function koffi(): string[] {
  try {
    return [createRequire(SERVER_PROGRAM).resolve("koffi")];
  } catch {
    return [];
  }
}

/** For people: the file without which no server can be started; null when all that we know of are there. */
export function missingProgram(): string | null {
  const missing = FILES.find((file) => !existsSync(file));
  return missing === undefined ? null : `the program is missing: ${missing}`;
}
