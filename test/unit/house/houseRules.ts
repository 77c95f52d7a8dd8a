/**
 * The house rules that a linter does not state, as functions from a source file to what breaks them.
 * They read the syntax tree, so that words in comments and strings do not count.
 */
import ts from "typescript";

export const MAX_FUNCTION_LINES = 70;
export const MAX_FILE_LINES = 400;

/** A source file: its path from the top of the project, with `/`, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

export interface HouseRule {
  readonly name: string;
  /** The files that the rule is for. */
  readonly appliesTo: (path: string) => boolean;
  /** One line for each violation, `path:line what`; empty when the file keeps the rule. */
  readonly violations: (source: Source) => string[];
}

const inPureCore = (path: string): boolean => /^src\/(base|pool|blockfile|fuse)\//.test(path);
const onDataPath = (path: string): boolean =>
  inPureCore(path) || /^src\/linux\/(memory\/|[^/]+\/[^/]*memory)/i.test(path);
const inSrc = (path: string): boolean => path.startsWith("src/");

/** What a module gets from its surroundings without an import: time, environment, chance, timers. */
const SURROUNDINGS = new Set([
  "Date",
  "performance",
  "process",
  "globalThis",
  "global",
  "crypto",
  "fetch",
  "require",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
]);

const BIG_NAMES = new Set(["BigInt", "BigInt64Array", "BigUint64Array"]);
const BIG_METHOD = /^(get|set|read|write)Big(Int|Uint|UInt)64/;

/** Collects a line for each node that `describe` has words for. */
function report(source: Source, describe: (node: ts.Node, file: ts.SourceFile) => string | undefined): string[] {
  const file = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.ES2022, true);
  const lines: string[] = [];
  const visit = (node: ts.Node): void => {
    const words = describe(node, file);
    if (words !== undefined) lines.push(`${source.path}:${lineOf(file, node.getStart(file))} ${words}`);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return lines;
}

function lineOf(file: ts.SourceFile, position: number): number {
  return file.getLineAndCharacterOfPosition(position).line + 1;
}

function functionTooLong(node: ts.Node, file: ts.SourceFile): string | undefined {
  if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return undefined;
  const lineCount = lineOf(file, node.getEnd()) - lineOf(file, node.getStart(file)) + 1;
  const name = node.name?.getText(file) ?? "a function without a name";
  return lineCount > MAX_FUNCTION_LINES ? `${name} has ${lineCount} lines` : undefined;
}

/** True where an identifier stands for a value or type, not for the name of a property. */
function standsAlone(node: ts.Node): node is ts.Identifier {
  if (!ts.isIdentifier(node)) return false;
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isQualifiedName(parent) && parent.right === node) return false;
  const namesMember = ts.isPropertyAssignment(parent) || ts.isClassElement(parent) || ts.isTypeElement(parent);
  return !(namesMember && parent.name === node);
}

function usesBigInt(node: ts.Node): string | undefined {
  if (ts.isBigIntLiteral(node)) return `BigInt literal ${node.text}`;
  if (node.kind === ts.SyntaxKind.BigIntKeyword) return "type bigint";
  if (standsAlone(node) && BIG_NAMES.has(node.text)) return node.text;
  return ts.isIdentifier(node) && BIG_METHOD.test(node.text) ? node.text : undefined;
}

function waits(node: ts.Node): string | undefined {
  if (node.kind === ts.SyntaxKind.AwaitKeyword || ts.isAwaitExpression(node)) return "await";
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return "async";
  return standsAlone(node) && node.text === "Promise" ? "Promise" : undefined;
}

function usesSurroundings(node: ts.Node): string | undefined {
  if (standsAlone(node) && SURROUNDINGS.has(node.text)) return node.text;
  const isRandom = ts.isPropertyAccessExpression(node) && node.getText() === "Math.random";
  return isRandom ? "Math.random" : undefined;
}

function usesConsole(node: ts.Node): string | undefined {
  return standsAlone(node) && node.text === "console" ? "console" : undefined;
}

function reachesIntoPool(node: ts.Node): string | undefined {
  const isReach = ts.isPropertyAccessExpression(node) && /\bpool\.(index|allocator)$/i.test(node.getText());
  return isReach ? node.getText() : undefined;
}

/** Commands that look a path up again, and act on whatever is there by then. */
const BY_PATH = new Set(["umount", "fstrim", "fsfreeze", "losetup", "sync"]);
const STARTS_CHILD = /^(run|runOk|tryRun|spawn|spawnSync|exec|execFile|execFileSync|execSync)$/;

/** Where a mount is taken for what it is: by an fd that was shown to be on it. */
const PROVEN: Readonly<Record<string, RegExp>> = {
  umount2: /^src\/linux\/(mount\/mountHandle|syscall\/libcMount)\.ts$/,
  unmountWithFusermount: /^src\/linux\/(mount\/mountHandle|fuse\/fusermount)\.ts$/,
  syncfs: /^src\/linux\/(mount\/fileSystemCalls|syscall\/libc)\.ts$/,
  FITRIM: /^src\/linux\/(mount\/fileSystemCalls|syscall\/constants)\.ts$/,
  FITHAW: /^src\/linux\/(mount\/fileSystemCalls|syscall\/constants)\.ts$/,
  FIFREEZE: /^src\/linux\/(mount\/fileSystemCalls|syscall\/constants)\.ts$/,
};

function actsByPath(node: ts.Node, file: ts.SourceFile): string | undefined {
  if (standsAlone(node)) {
    const allowed = Object.hasOwn(PROVEN, node.text) ? PROVEN[node.text] : undefined;
    return allowed === undefined || allowed.test(file.fileName) ? undefined : node.text;
  }
  if (!ts.isCallExpression(node) || !STARTS_CHILD.test(node.expression.getText(file))) return undefined;
  const word = node.arguments.find((argument) => ts.isStringLiteralLike(argument) && BY_PATH.has(argument.text));
  return word === undefined ? undefined : `runs ${word.getText(file)}`;
}

export const houseRules: readonly HouseRule[] = [
  {
    name: `a function has at most ${MAX_FUNCTION_LINES} lines`,
    appliesTo: inSrc,
    violations: (source) => report(source, functionTooLong),
  },
  {
    name: `a file has at most ${MAX_FILE_LINES} lines`,
    appliesTo: inSrc,
    violations: ({ path, text }) => {
      const lineCount = text.replace(/\n$/, "").split("\n").length;
      return lineCount > MAX_FILE_LINES ? [`${path}:1 the file has ${lineCount} lines`] : [];
    },
  },
  {
    name: "only cli prints",
    appliesTo: (path) => inSrc(path) && !path.startsWith("src/cli/"),
    violations: (source) => report(source, usesConsole),
  },
  {
    name: "nothing is unmounted, trimmed, synced, thawed or detached by a path",
    appliesTo: inSrc,
    violations: (source) => report(source, actsByPath),
  },
  {
    name: "the index and the allocator are the pool's own",
    appliesTo: (path) => inSrc(path) && !path.startsWith("src/pool/"),
    violations: (source) => report(source, reachesIntoPool),
  },
  {
    name: "no BigInt in the pure core or in the pool's memory",
    appliesTo: onDataPath,
    violations: (source) => report(source, usesBigInt),
  },
  {
    name: "nothing waits in the pure core",
    appliesTo: inPureCore,
    violations: (source) => report(source, waits),
  },
  {
    name: "no clock, environment, chance or timer in the pure core",
    appliesTo: inPureCore,
    violations: (source) => report(source, usesSurroundings),
  },
];

/** Every violation of every rule in `source`. */
export function violationsOf(source: Source): string[] {
  return houseRules.filter((rule) => rule.appliesTo(source.path)).flatMap((rule) => rule.violations(source));
}

/** Names that several of `sources` export, one line each: a name has one meaning in the whole house. */
export function exportedTwice(sources: readonly Source[]): string[] {
  const places = new Map<string, string[]>();
  for (const { path, text } of sources) {
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
    // The overloads of a function are one.
    for (const name of new Set(file.statements.flatMap((statement) => exportedNames(statement, file)))) {
      places.set(name, [...(places.get(name) ?? []), path]);
    }
  }
  return [...places].filter(([, paths]) => paths.length > 1).map(([name, paths]) => `${name}: ${paths.join(", ")}`);
}

function exportedNames(statement: ts.Statement, file: ts.SourceFile): string[] {
  const isExported =
    ts.canHaveModifiers(statement) &&
    ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (isExported !== true) return [];
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => name.getText(file));
  const { name } = statement as ts.Statement & { readonly name?: ts.Identifier };
  return name === undefined ? [] : [name.text];
}

/** Modules that hand on what others export: what is meant is imported from where it stands. */
export function barrels(sources: readonly Source[]): string[] {
  return sources.flatMap((source) =>
    report(source, (node) =>
      ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined ? "is a barrel" : undefined,
    ),
  );
}
