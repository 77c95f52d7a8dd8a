/**
 * A copy of the compiled tree with one bug planted in it: a trial proves that it finds
 * what it is there to find. A bug is told by the name of a function and of what it
 * calls, and not by text: it outlives a file that moves and a line that is written anew.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { run } from "./processes.js";
import { projectRoot, temporaryDirectory } from "./project.js";

export interface PlantedBug {
  /** A function or `Class.method` of src; one alone has that name, and the call, if one is named. */
  readonly in: string;
  /** What the function does instead, … */
  readonly body?: string;
  /** … or what it does not call: the callee as it is written, such as `memory.sync`. Each such call gives 0. */
  readonly without?: string;
}

export interface ChangedSource {
  /** From the top of the project. */
  readonly file: string;
  readonly text: string;
}

interface Found {
  readonly file: string;
  readonly source: ts.SourceFile;
  readonly body: ts.Block;
}

const compiledRoot = fileURLToPath(new URL("../..", import.meta.url));

/** @throws Error when src has no such function or several, or the function no such call */
export function changedSource(bug: PlantedBug): ChangedSource {
  const { without } = bug;
  const named = sources().flatMap((file) => bodiesIn(file, bug.in));
  const found = named.filter(({ body }) => without === undefined || callsIn(body, without).length > 0);
  const [one] = found;
  if (one === undefined || found.length > 1) {
    const what = without === undefined ? bug.in : `${bug.in} that calls ${without}`;
    const files = named.map(({ file }) => file).join(" ");
    throw new Error(
      `a bug is to be planted in ${what}: found ${found.length} times (${bug.in}: ${files || "nowhere"})`,
    );
  }
  const { source, body, file } = one;
  if (without === undefined) return { file, text: replaced(source.text, [body], `{ ${bug.body ?? ""} }`) };
  return { file, text: replaced(source.text, callsIn(body, without), "0") };
}

function sources(): string[] {
  const names = readdirSync(join(projectRoot, "src"), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => join(projectRoot, "src", name));
}

function bodiesIn(path: string, name: string): Found[] {
  const text = readFileSync(path, "utf8");
  const [className, method] = name.includes(".") ? name.split(".") : [undefined, name];
  if (!text.includes(method as string)) return [];
  const file = relative(projectRoot, path);
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const bodies: ts.Block[] = [];
  for (const statement of source.statements) {
    if (className === undefined && ts.isFunctionDeclaration(statement) && statement.name?.text === method) {
      if (statement.body !== undefined) bodies.push(statement.body);
    } else if (ts.isClassDeclaration(statement) && statement.name?.text === className) {
      for (const member of statement.members) {
        const isIt = ts.isMethodDeclaration(member) && member.name.getText(source) === method;
        if (isIt && member.body !== undefined) bodies.push(member.body);
      }
    }
  }
  return bodies.map((body) => ({ file, source, body }));
}

function callsIn(node: ts.Node, callee: string): ts.Node[] {
  const inside = node.getChildren().flatMap((child) => callsIn(child, callee));
  return ts.isCallExpression(node) && node.expression.getText() === callee ? [node, ...inside] : inside;
}

function replaced(text: string, nodes: readonly ts.Node[], by: string): string {
  // From behind, so that the places of the others stay.
  return [...nodes]
    .reverse()
    .reduce((now, node) => now.slice(0, node.getStart()) + by + now.slice(node.getEnd()), text);
}

/** @returns the directory of the copy, which the caller removes. @throws Error as `changedSource` */
export async function plantBug(bug: PlantedBug): Promise<string> {
  const { file, text } = changedSource(bug);
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const { outputText } = ts.transpileModule(text, { compilerOptions });
  const target = temporaryDirectory("planted");
  for (const folder of ["src", "test"]) cpSync(join(compiledRoot, folder), join(target, folder), { recursive: true });
  const out = join(target, file.replace(/\.ts$/, ".js"));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, outputText);
  writeFileSync(join(target, "package.json"), '{"type":"module","version":"planted"}');
  // A tree of its own: kmemfs itself, which cleans up after a trial, is without the bug.
  for (const name of ["node_modules", "bin"]) symlinkSync(join(projectRoot, name), join(target, name));
  await run(process.execPath, [join(projectRoot, "scripts/build.js"), target]);
  return target;
}
