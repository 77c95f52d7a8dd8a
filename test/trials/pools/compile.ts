/**
 * The core and the modules of this trial, transpiled file by file into a
 * temporary directory: with counters in its branches, or with a planted bug, or
 * both. The core imports no package, so nothing else is needed.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import type { ChangedSource } from "../../support/planted.js";
import { COUNTS_NAME, instrument, MOST_BRANCHES } from "./instrument.js";

/** This module runs as dist-trial/test/trials/pools/compile.js. */
const projectRoot = fileURLToPath(new URL("../../../..", import.meta.url));
const CORE = ["src/base", "src/pool", "src/blockfile"];
const AROUND = ["test/trials/pools"];
const FILES = ["test/support/random.ts"];

export interface CompiledTree {
  /** The module that a thread of the trial runs. */
  readonly worker: string;
  readonly branches: number;
  remove(): void;
}

export function compileTree(options: {
  readonly guided: boolean;
  /** A file of the core with a planted bug. */
  readonly changed: ChangedSource | null;
}): CompiledTree {
  const target = mkdtempSync(join(tmpdir(), "kmemfs-pools-"));
  let branches = 0;
  const transformer = instrument(() => branches++);
  const paths = [...CORE, ...AROUND].flatMap((folder) => filesOf(folder)).concat(FILES);
  for (const path of paths) {
    const isCore = path.startsWith("src/");
    const { changed } = options;
    const source = changed?.file === path ? changed.text : readFileSync(join(projectRoot, path), "utf8");
    const out = join(target, path.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(out), { recursive: true });
    const begin = `const ${COUNTS_NAME} = globalThis.${COUNTS_NAME} ??= new Uint32Array(${MOST_BRANCHES});\n`;
    const isCounted = options.guided && isCore;
    writeFileSync(out, isCounted ? begin + transpile(source, transformer) : transpile(source, null));
  }
  writeFileSync(join(target, "package.json"), '{"type":"module"}');
  if (branches > MOST_BRANCHES) throw new Error(`${branches} branches, more than there are counters`);
  return {
    worker: join(target, "test/trials/pools/worker.js"),
    branches,
    remove: () => rmSync(target, { recursive: true, force: true }),
  };
}

function filesOf(folder: string): string[] {
  const names = readdirSync(join(projectRoot, folder)).filter((name) => name.endsWith(".ts"));
  return names.map((name) => join(folder, name));
}

function transpile(source: string, transformer: ts.TransformerFactory<ts.SourceFile> | null): string {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const transformers = transformer === null ? {} : { before: [transformer] };
  return ts.transpileModule(source, { compilerOptions, transformers }).outputText;
}
