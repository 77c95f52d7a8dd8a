/** `kmemfs doctor [MOUNTPOINT] [-J]`: reports problems of the machine and the mounts, with their cures. */
import type { Command } from "commander";
import type { UserError } from "../base/errors.js";
import { findDisk, noDisk } from "../disk/findDisk.js";
import { type Check, problem, warning } from "../doctor/finding.js";
import { checkMachine } from "../doctor/machineChecks.js";
import { checkMount } from "../doctor/mountChecks.js";
import { readMachine } from "../doctor/readMachine.js";
import { readMount } from "../doctor/readMount.js";
import { listMounts } from "../mounts/client.js";
import { absolutePath, quote } from "../mounts/paths.js";
import type { MountStatus } from "../mounts/status.js";
import { findDeadDisks } from "../recover/find.js";
import { formatRow, printLine } from "./print.js";
import { isMeant } from "./recover.js";
import { describeOrphan, isOrphanMeant } from "./recoverOrphans.js";
import type { Outcome } from "./usage.js";

interface DoctorFlags {
  json?: boolean;
}

const WORDS: Readonly<Record<Check["state"], string>> = { ok: "ok", warning: "WARN", problem: "FAIL" };
const COLUMNS = [{ title: "" }, { title: "" }, { title: "" }];

/** The lines of `checks` for people: the machine's, then those of each mount below its name. */
export function doctorLines(checks: readonly Check[]): string[] {
  const widths = [4, Math.max(0, ...checks.map((check) => check.name.length)), 0];
  const lines: string[] = [];
  let mountpoint: string | undefined;
  for (const check of checks) {
    if (check.mountpoint !== mountpoint) {
      mountpoint = check.mountpoint;
      lines.push(`${quote(mountpoint ?? "")}:`);
    }
    lines.push(formatRow(COLUMNS, widths, [WORDS[check.state], check.name, check.found]));
    if (check.cure !== undefined) lines.push(`      try: ${check.cure}`);
  }
  return lines;
}

/** What no holder answers for: dead mounts, and what is odd about others. */
async function checkDeadDisks(path: string | null): Promise<Check[]> {
  const found = await findDeadDisks();
  const dead = found.deadDisks
    .filter((deadDisk) => path === null || isMeant(deadDisk, path))
    .map(({ mountpoint }) => ({
      ...problem("dead", `${mountpoint} is dead: its processes are gone`, `kmemfs recover ${quote(mountpoint)}`),
      mountpoint,
    }));
  const odd = found.notes
    .filter((note) => path === null || note.startsWith(`${path}: `))
    .map((note) => warning("left", note, "kmemfs recover --dry-run, for the details"));
  const orphans = found.orphans
    .filter((orphan) => path === null || isOrphanMeant(orphan, path))
    .map((orphan) => problem("orphan", describeOrphan(orphan), "kmemfs recover"));
  return [...odd, ...orphans, ...dead];
}

/** The mounts that were meant. @param onSilent told of each holder that does not answer */
async function mountsOf(
  mountpoint: string | undefined,
  deadDisk: readonly Check[],
  onSilent: (error: Error) => void,
): Promise<readonly MountStatus[]> {
  if (mountpoint === undefined) return listMounts(onSilent);

  const disk = await findDisk(mountpoint).catch((error: Error) => {
    onSilent(error);
    return undefined;
  });
  if (disk === undefined) return [];
  if (disk !== null) return [disk];
  if (deadDisk.length === 0) throw noDisk("doctor", mountpoint);
  return [];
}

async function doctor(mountpoint: string | undefined, flags: DoctorFlags, outcome: Outcome): Promise<void> {
  const path = mountpoint === undefined ? null : absolutePath(mountpoint, process.cwd());
  const deadDisk = await checkDeadDisks(path);
  const silent: Check[] = [];
  const mounts = await mountsOf(mountpoint, deadDisk, (error) => {
    const cure = (error as UserError).options?.cure ?? "kill -KILL the holder, then kmemfs recover";
    silent.push(problem("holder", error.message, cure));
  });
  const readings = await Promise.all(mounts.map(readMount));
  const checks = [...checkMachine(readMachine()), ...silent, ...deadDisk, ...readings.flatMap(checkMount)];
  if (checks.some((check) => check.state === "problem")) outcome.exitCode = 1;
  if (flags.json) printLine(JSON.stringify({ checks }, null, 2));
  else for (const line of doctorLines(checks)) printLine(line);
}

export function defineDoctor(command: Command, outcome: Outcome): void {
  command
    .description(
      "Checks the machine and the running mounts, or only the one on MOUNTPOINT, and suggests fixes. " +
        "Exits with 1 if there is a problem; warnings alone exit with 0.",
    )
    .argument("[mountpoint]", "where the disk is mounted; without it, all mounts are checked")
    .option("-J, --json", "JSON")
    .option("--debug", "show stack traces on errors")
    .action((mountpoint: string | undefined, flags: DoctorFlags) => doctor(mountpoint, flags, outcome));
}
