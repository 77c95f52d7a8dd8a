import { expect, it } from "vitest";
import { repairLine } from "../../../src/cli/check.js";
import { jsonPrinter, linePrinter } from "../../../src/cli/checkPrint.js";
import { progressText } from "../../../src/cli/progress.js";
import type { CheckSummary } from "../../../src/pool/check.js";

const finding = { kind: "range", message: "block 0: page 9 is not a data page (5 to 8)", offsetBytes: 4096 } as const;
const clean: CheckSummary = { state: "clean", findingCount: 0, pageCount: 9, blocks: 4, usedPages: 2 };

function printed(printer: typeof linePrinter, findings: number): string[] {
  const lines: string[] = [];
  const { finding: tell, end } = printer("/p", (line) => lines.push(line));
  for (let i = 0; i < findings; i++) tell(finding);
  end({ ...clean, findingCount: findings });
  return lines;
}

it("sums a clean pool up in one line", () => {
  expect(printed(linePrinter, 0)).toEqual(["/p: clean, 8.0 KiB used, no errors"]);
});

it("lists findings, and counts those that are too many", () => {
  expect(printed(linePrinter, 1)).toEqual([finding.message, "/p: clean, 8.0 KiB used, 1 error"]);
  const lines = printed(linePrinter, 25);
  expect(lines.slice(-2)).toEqual(["and 5 more", "/p: clean, 8.0 KiB used, 25 errors"]);
  expect(lines).toHaveLength(22);
});

it.each([0, 1, 3])("writes one JSON document of %d findings", (count) => {
  const document = JSON.parse(printed(jsonPrinter, count).join("\n")) as object;
  expect(document).toEqual({ path: "/p", findings: Array(count).fill(finding), ...clean, findingCount: count });
});

it("sums a repair up", () => {
  const result = {
    lostBlocks: 1,
    suspectBlocks: 2,
    clearedEntries: 3,
    writtenCopies: 1,
    undoFile: null,
    cutAtBytes: null,
  };
  expect(repairLine("/p", result)).toBe(
    "/p: repaired: blocks lost: 1, blocks suspect: 2, entries cleared past the end of the file: 3, superblock copies written: 1",
  );
});

it("draws how far it is", () => {
  expect(progressText("checking", 1, 2)).toBe(`checking [${"#".repeat(15)}${" ".repeat(15)}] 50 %`);
  expect(progressText("checking", 0, 0)).toContain("100 %");
});
