import { expect, it } from "vitest";
import { reportLines } from "../../../src/cli/check.js";
import type { CheckReport } from "../../../src/daemon/poolFile.js";

const finding = { kind: "range", message: "block 0: page 9 is not a data page (5 to 8)", offsetBytes: 4096 } as const;
const clean: CheckReport = { path: "/p", state: "clean", findings: [], pageCount: 9, blocks: 4, usedPages: 2 };

it("sums a clean pool up in one line", () => {
  expect(reportLines(clean)).toEqual(["/p: clean, 8.0 KiB used, no errors"]);
});

it("lists findings, and counts those that are too many", () => {
  expect(reportLines({ ...clean, findings: [finding] })).toEqual([finding.message, "/p: clean, 8.0 KiB used, 1 error"]);
  const lines = reportLines({ ...clean, findings: Array(25).fill(finding) });
  expect(lines.slice(-2)).toEqual(["and 5 more", "/p: clean, 8.0 KiB used, 25 errors"]);
  expect(lines).toHaveLength(22);
});
