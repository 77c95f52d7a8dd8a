/** Messages are idiomatic English: wordings that were replaced do not come back. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../support/project.js";

/** Each with what to write instead. */
const REPLACED: readonly (readonly [RegExp, string])[] = [
  [/\bsomebody\b/i, "another process"],
  [/\bnobody\b/i, "name what is missing, or use the passive"],
  [/\bsupervisor\b/i, "holder"],
  [/\b(used|held) by\b/, "in use by"],
  [/\bdirect way\b|\bserved way\b|\bways? of data\b/, "I/O mode; direct mode, served mode"],
  [/\bgo(es|ne)? on\b/, "continue, resume, take over"],
  [/\bcut off\b/, "interrupted, truncated, incomplete"],
  [/\blose its end\b/, "be truncated"],
  [/\b(has|have|had) (it )?back\b/, "bring back, rebuild"],
  [/\b(given|gave|goes|went)( \S+){0,3} back\b/, "free, release, return"],
  [/\bcannot be (had|gone)\b/, "name what fails"],
  [/\b(let|lets) it go\b|\bto be told\b|\bnot be told\b|\bdoes not tell\b/, "discard; notify, report"],
  [/\bto (tell|say) who\b|\bsays? who\b/, "show, report"],
  [/\b(was|were) asked for\b/, "requested"],
  [/\bleave\b.*\bout\b/, "omit"],
  [/\blies? (on|over|below|in|outside|elsewhere)\b/, "is on, is over, is past"],
  [/\bbehind the\b.*\bend\b/, "past the end"],
  [/\baway from home\b|\b(is|are) at home\b/, "on their home pages"],
  [/\bany ?more\b/, "no longer"],
  [/\banew\b|\ball the same\b|\bjust now\b/, "again; even so; name the time"],
  [/\bwas begun\b/, "was started"],
  [/\bwhat is there\b|\bis there already\b|\bnor there\b/, "the data; already exists"],
  [/\. time\b/, "the nth time"],
  [/\btakes no for an answer\b|\ba slip of the pen\b/, "the plain word"],
  [/\bthe machine refused\b|\bthe kernel refused (more|pages|a buffer|two)\b/, "who really refused it, and what"],
];

interface Message {
  readonly line: number;
  readonly text: string;
}

/** The string literals of `text` that have a blank; the expressions of templates are left out. */
function messagesOf(path: string, text: string): Message[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const messages: Message[] = [];
  const visit = (node: ts.Node): void => {
    const said = ts.isTemplateExpression(node)
      ? node.head.text + node.templateSpans.map((span) => `…${span.literal.text}`).join("")
      : ts.isStringLiteralLike(node)
        ? node.text
        : "";
    if (said.trim().includes(" ")) {
      messages.push({ line: file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1, text: said });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return messages;
}

/** One line for each message with a replaced wording. */
function replacedIn(path: string, text: string): string[] {
  return messagesOf(path, text).flatMap((message) =>
    REPLACED.filter(([wording]) => wording.test(message.text)).map(
      ([, instead]) => `${path}:${message.line} "${message.text}"; write: ${instead}`,
    ),
  );
}

it("no message in src has a replaced wording", () => {
  const names = readdirSync(join(projectRoot, "src"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const messages = names.map((name) => [name, readFileSync(join(projectRoot, "src", name), "utf8")] as const);
  expect(messages.flatMap(([name, text]) => messagesOf(name, text)).length).toBeGreaterThan(1000);
  expect(messages.flatMap(([name, text]) => replacedIn(`src/${name}`, text))).toEqual([]);
});

describe("a replaced wording is seen", () => {
  it.each([
    'throw new UserError(what, "data was cut off by another process");',
    `fail(\`\${path} is used by \${name}\`);`,
    'const cure = "leave --durable out";',
    `log.error(\`no server; the \${n}. time within a minute\`);`,
    `const a = \`: \${count > 0 ? \`\${count} blocks are away from home\` : ""}\`;`,
    'option("--x", "what it holds would lose its end");',
    'throw new UserError(first, "neither a command nor there");',
  ])("%s", (text) => {
    expect(replacedIn("src/x.ts", text)).toHaveLength(1);
  });

  it.each(['const a = "somebody";', "// nobody goes on\nconst a = 1;", 'const a = "is in use by bash (pid 12)";'])(
    "and allowed is %s",
    (text) => {
      expect(replacedIn("src/x.ts", text)).toEqual([]);
    },
  );
});
