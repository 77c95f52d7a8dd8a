/** `kmemfs check POOL`: validates and repairs a pool; the exit codes are those of fsck(8). */

import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { bytesToPagesCeil } from "../base/units.js";
import type { RepairResult } from "../media/checkPool.js";
import { checkPoolAt, repairPoolAt, undoRepairAt } from "../media/checkPool.js";
import type { CheckSummary } from "../pool/check.js";
import type { FindingKind } from "../pool/findings.js";
import { jsonPrinter, linePrinter, MAX_PRINTED, Output } from "./checkPrint.js";
import { poolPath } from "./format.js";
import { printErrorLine, printLine } from "./print.js";
import { progressBar } from "./progress.js";
import { parsePageSizeFloor } from "./sizes.js";
import type { Outcome } from "./usage.js";
import { FSCK_USAGE } from "./usage.js";

/** fsck(8), section EXIT STATUS. */
const FSCK_CORRECTED = 1;
const FSCK_UNCORRECTED = 4;
const FSCK_OPERATIONAL = 8;

interface CheckFlags {
  repair?: boolean;
  rebuildSuperblock?: boolean;
  size?: string;
  maxSize?: string;
  undoFile?: string;
  undo?: string;
  json?: boolean;
}

/** A check that cannot run is fsck's operational error. Adds the path, which the pool core does not know. */
function operational(path: string, error: unknown): unknown {
  if (!(error instanceof UserError)) return error;
  const what = error.what === "pool" || error.what === "superblock" ? path : error.what;
  const exitCode = error.exitCode === 2 || error.exitCode === FSCK_USAGE ? FSCK_USAGE : FSCK_OPERATIONAL;
  return new UserError(what, error.reason, { ...error.options, exitCode });
}

/** @throws UserError for flags that do not go together */
function requireSense(flags: CheckFlags): void {
  const needs = (given: unknown, name: string, isMet: unknown, other: string): void => {
    if (given === undefined || isMet) return;
    throw new UserError(`check --${name}`, `requires --${other}`, { exitCode: FSCK_USAGE });
  };
  needs(flags.rebuildSuperblock, "rebuild-superblock", flags.repair, "repair");
  needs(flags.undoFile, "undo-file", flags.repair, "repair");
  needs(flags.size, "size", flags.rebuildSuperblock, "rebuild-superblock");
  needs(flags.maxSize, "max-size", flags.rebuildSuperblock, "rebuild-superblock");
  if (flags.undo === undefined || !(flags.repair || flags.json)) return;
  throw new UserError("check --undo", "cannot be combined with --repair or --json", { exitCode: FSCK_USAGE });
}

async function look(path: string, json: boolean, kinds: Set<FindingKind>): Promise<CheckSummary> {
  const progress = progressBar("checking");
  const output = new Output();
  const print = (line: string): void => {
    output.line(line);
    if (json) return;
    progress.clear();
    output.flush();
  };
  const printer = json ? jsonPrinter(path, print) : linePrinter(path, print);
  try {
    const summary = await checkPoolAt(path, {
      finding: (finding) => {
        kinds.add(finding.kind);
        printer.finding(finding);
      },
      progress: progress.show,
    });
    printer.end(summary);
    return summary;
  } finally {
    progress.clear();
    output.flush();
  }
}

async function repair(path: string, flags: CheckFlags): Promise<RepairResult> {
  const blocksOf = (text: string | undefined, name: string) =>
    text === undefined ? undefined : bytesToPagesCeil(parsePageSizeFloor(text, `check --${name} ${text}`));
  const rebuild = flags.rebuildSuperblock
    ? {
        blocks: blocksOf(flags.size, "size"),
        maxBlocks: blocksOf(flags.maxSize, "max-size"),
        uuid: new Uint8Array(randomBytes(16)),
        nowMs: Date.now(),
      }
    : undefined;
  const output = new Output();
  const result = await repairPoolAt(
    path,
    { rebuild, undoFile: flags.undoFile === undefined ? undefined : resolve(flags.undoFile) },
    {
      lost: (block, page, damage) =>
        output.line(`block ${block}: lost (its index entry, ${damage}, pointed to page ${page})`),
      suspect: (block, page, copy) =>
        output.line(`block ${block}: suspect (page ${page} also belongs to a lower block; copied to page ${copy})`),
    },
  ).finally(() => output.flush());
  if (result.cutAtBytes !== null) {
    printLine(`data: extended to the size of the disk; everything past byte ${result.cutAtBytes} is lost`);
  }
  printLine(repairLine(path, result));
  if (result.undoFile !== null) printLine(`to undo this: kmemfs check --undo ${result.undoFile} ${path}`);
  return result;
}

export function repairLine(path: string, result: RepairResult): string {
  const { lostBlocks, suspectBlocks, clearedEntries, writtenCopies } = result;
  const counts = [
    `blocks lost: ${lostBlocks}`,
    `blocks suspect: ${suspectBlocks}`,
    `entries cleared past the end of the file: ${clearedEntries}`,
    `superblock copies written: ${writtenCopies}`,
  ];
  return `${path}: repaired: ${counts.join(", ")}`;
}

/** A superblock is rebuilt only on request, and never for a pool whose format was interrupted. */
function isRepairable({ state }: CheckSummary, { rebuildSuperblock }: CheckFlags): boolean {
  return state !== "formatting" && (state !== "unknown" || rebuildSuperblock === true);
}

function cureOf(path: string, { state }: CheckSummary): string | null {
  if (state === "formatting") return `kmemfs format --force ${path}`;
  return state === "unknown" ? `kmemfs check --repair --rebuild-superblock ${path}` : null;
}

/** Checks, repairs when there is something to, and checks again. */
async function checkAndRepair(path: string, flags: CheckFlags, outcome: Outcome): Promise<void> {
  const json = flags.json ?? false;
  const kinds = new Set<FindingKind>();
  const summary = await look(path, json, kinds);
  outcome.exitCode = summary.findingCount === 0 ? 0 : FSCK_UNCORRECTED;
  if (summary.findingCount === 0) return;
  if (!flags.repair || !isRepairable(summary, flags)) {
    const cure = cureOf(path, summary);
    if (cure !== null && !json) printErrorLine(`try: ${cure}`);
    return;
  }
  outcome.exitCode = FSCK_OPERATIONAL;
  await repair(path, flags);
  const left = await look(path, false, new Set());
  outcome.exitCode = left.findingCount === 0 ? FSCK_CORRECTED : FSCK_UNCORRECTED;
}

async function undo(path: string, file: string): Promise<void> {
  const { entries, releasedPages } = await undoRepairAt(path, file);
  printLine(`${path}: restored ${entries} index entries and the superblock, and freed ${releasedPages} copied pages`);
}

async function check(pool: string, flags: CheckFlags, outcome: Outcome): Promise<void> {
  const path = poolPath("check", pool, FSCK_USAGE);
  requireSense(flags);
  if (flags.json && flags.repair) {
    throw new UserError("check --json", "cannot be combined with --repair", {
      cure: "check -J before and after the repair",
      exitCode: FSCK_USAGE,
    });
  }
  outcome.exitCode = FSCK_OPERATIONAL;
  try {
    if (flags.undo === undefined) return await checkAndRepair(path, flags, outcome);
    await undo(path, resolve(flags.undo));
    outcome.exitCode = FSCK_CORRECTED;
  } catch (error) {
    throw operational(path, error);
  }
}

export function defineCheck(command: Command, outcome: Outcome): void {
  command
    .description(
      "Checks an unmounted pool and, with --repair, repairs it. Exit codes: 0 no errors, 1 errors corrected, " +
        "4 errors left uncorrected, 8 operational error, 16 usage error.",
    )
    .argument("<pool>", "a file, a directory, or /dev/daxX.Y")
    .option("--repair", `repair errors; the original contents are first saved to POOL.undo-TIME`)
    .option("--rebuild-superblock", "with --repair: rebuild the superblock when no valid copy is left")
    .option("--size <size>", "with --rebuild-superblock: the size of the disk, if known")
    .option("--max-size <size>", "with --rebuild-superblock: the --max-size it was formatted with")
    .option("--undo-file <path>", "with --repair: where to save the original contents")
    .option("--undo <file>", "undo a repair")
    .option("-J, --json", `print all findings as JSON; without it only the first ${MAX_PRINTED} are printed`)
    .option("--debug", "show stack traces on errors")
    .action((pool: string, flags: CheckFlags) => check(pool, flags, outcome));
}
