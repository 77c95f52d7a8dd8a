import { Command } from "commander";
import { expect, it } from "vitest";
import { parseOptionList } from "../../../src/cli/optionList.js";
import { flagsOf, optionKey, toggleRows, valueRows } from "../../../src/mounts/optionTable.js";

/** The table of docs/options.md; `npx vitest run --project unit optionTable -u` writes it anew. */
function reference(): string {
  const values = valueRows.map(([name, row]) => [
    row.placeholder === undefined ? "" : `\`--${optionKey(name)} <${row.placeholder}>\``,
    `\`${optionKey(name)}=\``,
    row.otherwise === undefined ? "" : `\`${row.otherwise}\``,
    row.help,
  ]);
  const toggles = toggleRows.map(([, row]) => [
    row.flag === undefined ? "" : `\`${row.flag}\``,
    Object.keys(row.keys)
      .map((key) => `\`${key}\``)
      .join(", "),
    "",
    row.help,
  ]);
  const rows = [...values, ...toggles].map((cells) => `| ${cells.join(" | ")} |`);
  const upLacks = [...valueRows, ...toggleRows].filter(([, row]) => row.mountOnly).map(([name]) => optionKey(name));
  return `# Options of a mount

Flags of \`kmemfs mount\` and \`kmemfs up\`, and what the same is called in \`-o\` and in fstab.
This page is made from the table that the program itself reads (\`src/mounts/optionTable.ts\`).
[Operations](operations.md#options-of-mount8-and-fstab) explains some of them.
\`up\` has no ${upLacks.map((key) => `\`${key}\``).join(" and no ")}; it has \`--fs\` and \`--pool\` besides.

| flag | \`-o\` | default | what it does |
|---|---|---|---|
${rows.join("\n")}
`;
}

it("docs/options.md says what the table has", async () => {
  await expect(reference()).toMatchFileSnapshot("../../../docs/options.md");
});

it.each(["mount", "up"] as const)("every flag of %s is also an option of -o, under the same name", (command) => {
  const program = new Command(command);
  for (const { flags, help } of flagsOf(command)) program.option(flags, help);
  for (const option of program.options) {
    const name = option.attributeName();
    const key = option.negate ? `no${name}` : (option.long ?? "").slice(2);
    expect(Object.keys(parseOptionList(option.required ? `${key}=1` : key)), key).toEqual([name]);
  }
});
