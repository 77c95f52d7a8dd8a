/** A copy of the built program as npm installs it, which a test may remove and put back. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type RunOptions, type RunResult, run } from "./processes.js";
import { projectRoot, withTestedIo } from "./project.js";

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** Places of the packages that the program runs with, as npm has them in package-lock.json. */
function runtimePackages(): string[] {
  const lock = JSON.parse(readFileSync(join(projectRoot, "package-lock.json"), "utf8")) as Lock;
  const names = Object.keys(lock.packages).filter((name) => name !== "" && lock.packages[name]?.dev !== true);
  // Those of other platforms are not there.
  return names.filter((name) => existsSync(join(projectRoot, name)));
}

export class ProgramCopy {
  readonly #aside: string;

  /** @param directory is made */
  constructor(readonly directory: string) {
    this.#aside = `${directory}.aside`;
    for (const name of ["bin", "dist", "package.json", ...runtimePackages()]) {
      const to = join(directory, name);
      mkdirSync(dirname(to), { recursive: true });
      cpSync(join(projectRoot, name), to, { recursive: true, preserveTimestamps: true });
    }
  }

  kmemfs(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(process.execPath, [join(this.directory, "bin/kmemfs.js"), ...withTestedIo(args)], options);
  }

  /** Nothing of it is left where it was, or of a part of it. */
  remove(part = ""): void {
    const to = join(this.#aside, part || "all");
    mkdirSync(dirname(to), { recursive: true });
    renameSync(join(this.directory, part), to);
  }

  /** Only the first half of a file is there. */
  halve(part: string): void {
    this.remove(part);
    const whole = readFileSync(join(this.#aside, part));
    writeFileSync(join(this.directory, part), whole.subarray(0, whole.length / 2));
  }

  /** The same as before, part and all. */
  putBack(part = ""): void {
    renameSync(join(this.#aside, part || "all"), join(this.directory, part));
  }
}
