/**
 * Figures of the house: files and lines of each room, the largest files and functions, names that are
 * exported more than once. `node scripts/figures.js [DIRECTORY]`, by default of this checkout.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";
import { projectRoot } from "./run.js";

const top = join(process.argv[2] ?? projectRoot, "src");

/** @returns {{path: string, room: string, lineCount: number, source: ts.SourceFile}[]} */
function readFiles() {
  return readdirSync(top, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => {
      const text = readFileSync(join(top, path), "utf8");
      const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
      return { path, room: dirname(path), lineCount: text.replace(/\n$/, "").split("\n").length, source };
    });
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

function exportedNames(source) {
  return source.statements.flatMap((statement) => {
    if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.map(({ name }) => name.getText(source));
    }
    return statement.name === undefined ? [] : [statement.name.text];
  });
}

function functionsOf({ path, source }) {
  const found = [];
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      const line = (at) => source.getLineAndCharacterOfPosition(at).line;
      const name = node.name?.getText(source) ?? node.parent.name?.getText(source) ?? "(nameless)";
      found.push({ name: `${name} (${path})`, lineCount: line(node.end) - line(node.getStart(source)) + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const files = readFiles();
const rooms = new Map();
for (const file of files) rooms.set(file.room, [...(rooms.get(file.room) ?? []), file]);

const counts = (some) => some.map(({ lineCount }) => lineCount);
const sum = (some) => counts(some).reduce((total, count) => total + count, 0);
const row = (name, some) => {
  const largest = some.toSorted((a, b) => b.lineCount - a.lineCount)[0];
  return [name, some.length, sum(some), median(counts(some)), `${largest.lineCount} ${largest.path}`];
};
const rows = [...rooms].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([room, some]) => row(room, some));
console.log("| room | files | lines | median file | largest file |\n|---|---|---|---|---|");
for (const cells of [...rows, row("**src**", files)]) console.log(`| ${cells.join(" | ")} |`);

const names = new Map();
for (const { path, source } of files) {
  for (const name of new Set(exportedNames(source))) names.set(name, [...(names.get(name) ?? []), path]);
}
const twins = [...names].filter(([, paths]) => paths.length > 1);
console.log(`\nexported more than once: ${twins.length === 0 ? "none" : ""}`);
for (const [name, paths] of twins) console.log(`  ${name}: ${paths.join(", ")}`);

const functions = files.flatMap(functionsOf).toSorted((a, b) => b.lineCount - a.lineCount);
console.log(`\nfunctions: ${functions.length}, median ${median(counts(functions))} lines; the longest:`);
for (const { name, lineCount } of functions.slice(0, 10)) console.log(`  ${lineCount} ${name}`);
