/**
 * A copy of the compiled tree with one bug planted in it: a trial proves that it
 * finds what it is there to find. For compiled code only: the copy is of the tree
 * that this file runs in, with one source file transpiled anew.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { temporaryDirectory } from "./project.js";

export interface PlantedBug {
  /** The source file, from the top of the project. */
  readonly file: string;
  /** Occurs there exactly once. */
  readonly find: string;
  readonly replace: string;
}

const compiledRoot = fileURLToPath(new URL("../..", import.meta.url));
const sourceRoot = dirname(compiledRoot);

/** @returns the directory of the copy; the caller removes it. @throws Error when `find` does not occur exactly once */
export function plantBug(bug: PlantedBug): string {
  const source = readFileSync(join(sourceRoot, bug.file), "utf8");
  const found = source.split(bug.find).length - 1;
  if (found !== 1) throw new Error(`${bug.file}: ${JSON.stringify(bug.find)} occurs ${found} times`);
  const { outputText } = ts.transpileModule(
    source.replace(bug.find, () => bug.replace),
    {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    },
  );
  const target = temporaryDirectory("planted");
  for (const folder of ["src", "test"]) cpSync(join(compiledRoot, folder), join(target, folder), { recursive: true });
  const out = join(target, bug.file.replace(/\.ts$/, ".js"));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, outputText);
  writeFileSync(join(target, "package.json"), '{"type":"module"}');
  // A tree of its own: kmemfs itself, which cleans up after a trial, is without the bug.
  for (const name of ["node_modules", "bin"]) symlinkSync(join(sourceRoot, name), join(target, name));
  return target;
}
