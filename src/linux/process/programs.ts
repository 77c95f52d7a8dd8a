/** The files that our processes and threads are started from, beside each other in dist/ (scripts/build.js). */
import { basename, join } from "node:path";

const here = import.meta.dirname;
/** Tests run the sources, which have their dist/ beside them. */
const directory = basename(here) === "process" ? join(here, "../../../dist") : here;
const program = (name: string): string => join(directory, `${name}.cjs`);

/** Has the version. */
export const PACKAGE_FILE = join(directory, "../package.json");

export const HOLDER_PROGRAM = program("holder");
export const SERVER_PROGRAM = program("server");
/** Runs the server's bundle, too. */
export const THREAD_PROGRAM = program("thread");
export const CALL_PROGRAM = program("call");

/** The files of a process's: what Node is started with, and the code that it loads. */
export const filesOf = (file: string): string[] => [file, file.replace(/cjs$/, "code.cjs")];
