/**
 * Runs TypeScript in worker threads and in a bare Node: the core, `linux`, the
 * fakes and the scripts in `threads/` are transpiled, file by file, into a
 * temporary directory, so that no stale build can be met. The packages are a link.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import ts from "typescript";
import { afterAll } from "vitest";
import { projectRoot, temporaryDirectory } from "./project.js";

const FOLDERS = ["src/base", "src/pool", "src/blockfile", "src/linux", "test/support/threads"];
const FILES = ["test/support/fakeMemory.ts", "test/support/watchedMemory.ts", "test/support/testPool.ts"];

let compiledTo: string | undefined;

// Not on the process's exit: vitest ends its forks by a signal.
afterAll(() => {
  if (compiledTo !== undefined) rmSync(compiledTo, { recursive: true, force: true });
  compiledTo = undefined;
});

/** Where the compiled tree is; made at the first call, removed after the tests of the file. */
export function compiledTree(): string {
  if (compiledTo !== undefined) return compiledTo;
  const target = temporaryDirectory("threads");
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { encoding: "utf8", recursive: true })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
  for (const path of [...inFolders, ...FILES]) transpile(path, target);
  symlinkSync(join(projectRoot, "node_modules"), join(target, "node_modules"));
  writeFileSync(join(target, "package.json"), '{"type":"module"}');
  compiledTo = target;
  return target;
}

function transpile(path: string, target: string): void {
  const { outputText } = ts.transpileModule(readFileSync(join(projectRoot, path), "utf8"), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  const out = join(target, path.replace(/\.ts$/, ".js"));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, outputText);
}

/** The compiled form of `threads/<name>.ts`. */
export function compiledScript(name: string): string {
  return join(compiledTree(), "test/support/threads", `${name}.js`);
}

/**
 * Runs `threads/<name>.ts` in a worker for each input at the same time.
 * @returns what each posted last; rejects when one throws
 */
export function runThreads<Output>(name: string, inputs: readonly unknown[]): Promise<Output[]> {
  const script = pathToFileURL(compiledScript(name));
  return Promise.all(
    inputs.map(
      (workerData) =>
        new Promise<Output>((resolve, reject) => {
          const worker = new Worker(script, { workerData });
          let last: Output;
          worker.on("message", (message: Output) => {
            last = message;
          });
          worker.on("error", reject);
          worker.on("exit", (code) => (code === 0 ? resolve(last) : reject(new Error(`${name}: exit ${code}`))));
        }),
    ),
  );
}
