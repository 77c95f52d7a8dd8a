/** `kmemfs check POOL`: validates a pool; the exit codes are those of fsck(8). */
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { pagesToBytes } from "../base/units.js";
import type { CheckReport } from "../daemon/poolFile.js";
import { poolPath } from "./format.js";
import type { Outcome } from "./outcome.js";
import { printLine } from "./print.js";
import { formatBytes } from "./sizes.js";
import { FSCK_USAGE } from "./usage.js";

/** fsck(8), section EXIT STATUS. */
const FSCK_UNCORRECTED = 4;
const FSCK_OPERATIONAL = 8;

/** More are counted, not printed; `-J` has all. */
const MAX_PRINTED = 20;

export function reportLines(report: CheckReport): string[] {
  const lines = report.findings.slice(0, MAX_PRINTED).map((finding) => finding.message);
  const more = report.findings.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  const used = formatBytes(pagesToBytes(report.usedPages));
  const count = report.findings.length;
  const verdict = count === 0 ? "no errors" : count === 1 ? "1 error" : `${count} errors`;
  lines.push(`${report.path}: ${report.state}, ${used} used, ${verdict}`);
  return lines;
}

/** Whatever keeps the check from running is fsck's operational error. */
function operational(error: unknown): unknown {
  if (!(error instanceof UserError) || error.exitCode === FSCK_USAGE) return error;
  return new UserError(error.what, error.reason, { ...error.options, exitCode: FSCK_OPERATIONAL });
}

async function check(pool: string, flags: { repair?: boolean; json?: boolean }, outcome: Outcome): Promise<void> {
  const path = poolPath("check", pool, FSCK_USAGE);
  if (flags.repair) {
    throw new UserError("check --repair", "this version finds errors but cannot repair them yet", {
      cure: `kmemfs check ${pool}`,
      exitCode: FSCK_USAGE,
    });
  }
  outcome.exitCode = FSCK_OPERATIONAL;
  const { checkPool } = await import("../daemon/poolFile.js");
  const report = await checkPool(path).catch((error: unknown) => {
    throw operational(error);
  });
  if (flags.json) printLine(JSON.stringify(report, null, 2));
  else for (const line of reportLines(report)) printLine(line);
  outcome.exitCode = report.findings.length === 0 ? 0 : FSCK_UNCORRECTED;
}

export function addCheckCommand(program: Command, outcome: Outcome): void {
  program
    .command("check")
    .summary("validate a pool (fsck's exit codes)")
    .description("Validates a pool that is not mounted. Exit code 0: clean, 4: errors, 8: could not look, 16: usage.")
    .usage("POOL [options]")
    .argument("<pool>", "a file, a directory, or /dev/daxX.Y")
    .option("--repair", "not in this version")
    .option("-J, --json", "JSON with all findings")
    .option("--debug", "stack traces with errors")
    .action((pool: string, flags: { repair?: boolean; json?: boolean }) => check(pool, flags, outcome));
}
