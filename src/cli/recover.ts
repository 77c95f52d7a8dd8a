/** `kmemfs recover [MOUNTPOINT] [--up] [--dry-run]`: clears what killed processes left, and mounts it again. */
import type { Command } from "commander";
import { interruptible } from "../disk/rollback.js";
import { absolutePath, quote } from "../mounts/paths.js";
import { diskId } from "../mounts/stateDirectory.js";
import type { DefaultOptions, WayBack } from "../recover/bringBack.js";
import { bringBack, wayBack } from "../recover/bringBack.js";
import type { DeadDisk } from "../recover/deadDisk.js";
import type { Findings } from "../recover/find.js";
import { findDeadDisks } from "../recover/find.js";
import { findKept, isOf } from "../recover/kept.js";
import type { Orphan } from "../recover/orphans.js";
import type { Step } from "../recover/steps.js";
import { forgetStep, stepsOf } from "../recover/steps.js";
import { nameIsTaken, withNameLock } from "../recover/withNameLock.js";
import { currentInvoker, toMountOptions } from "./mountOptions.js";
import { printFailure, printLine } from "./print.js";
import { blockersOf, clear, isKeptMeant, planOfKept, recoverKept } from "./recoverKept.js";
import { clearOrphan, isOrphanMeant, orphanPlan } from "./recoverOrphans.js";
import type { Outcome } from "./usage.js";

interface RecoverFlags {
  up?: boolean;
  dryRun?: boolean;
  debug?: boolean;
}

/** One disk's turn. */
interface Turn {
  readonly deadDisk: DeadDisk;
  readonly steps: readonly Step[];
  readonly back: WayBack | null;
}

/** True when `path` is one of the disk's names: the disk's, a dead mount, or a file system on it. */
export function isMeant(deadDisk: DeadDisk, path: string): boolean {
  const places = [...deadDisk.dead, ...deadDisk.fileSystems].map((mount) => mount.mountpoint);
  return deadDisk.mountpoint === path || places.includes(path);
}

/** What is going to be done, a line each. */
function planOf({ deadDisk, steps, back }: Turn, up: boolean): string[] {
  const lines = [`${quote(deadDisk.mountpoint)}: dead; its processes are gone`];
  if (blockersOf(deadDisk).length > 0) return lines;
  lines.push(...steps.map((step) => `  will ${step.plan}`));
  if (back !== null)
    lines.push(up ? `  will bring it back: ${back.command}` : `  then, to bring it back: ${back.command}`);
  else if (up) lines.push("  cannot be brought back: its pool was in the memory of its processes");
  return lines;
}

function printLines(lines: readonly string[]): void {
  for (const line of lines) printLine(line);
}

/** @throws UserError when something is left */
async function recoverOne(
  told: Turn,
  found: Findings,
  turnOf: (deadDisk: DeadDisk) => Turn,
  up: boolean,
): Promise<void> {
  const cleared = await withNameLock(told.deadDisk, found, async (deadDisk) => {
    const turn = turnOf(deadDisk);
    const plan = planOf(turn, up);
    // Not without saying so.
    if (plan.join("\n") !== planOf(told, up).join("\n")) printLines(plan);
    await clear(turn.deadDisk, turn.steps);
    return turn;
  });
  if (cleared === null) printLine(`${quote(told.deadDisk.mountpoint)}: is no longer dead`);
  if (!up || cleared === null || cleared.back === null) return;

  printLines(await bringBack(cleared.back));
}

async function recover(mountpoint: string | undefined, flags: RecoverFlags, outcome: Outcome): Promise<void> {
  const { up = false, debug = false } = flags;
  const invoker = currentInvoker();
  const defaults: DefaultOptions = (pool, place, words) => toMountOptions(pool, place, words, invoker);
  const turnOf = (deadDisk: DeadDisk): Turn => ({
    deadDisk,
    steps: stepsOf(deadDisk),
    back: wayBack(deadDisk, defaults),
  });
  const path = mountpoint === undefined ? null : absolutePath(mountpoint, invoker.directory);
  const isWanted = (deadDisk: DeadDisk): boolean => path === null || isMeant(deadDisk, path);
  const failed = (error: unknown): void => {
    printFailure(error, debug);
    outcome.exitCode = 1;
  };
  // Called from inside a dead mount, this process would hold it itself.
  process.chdir("/");
  const found = await findDeadDisks();
  const turns = found.deadDisks.filter(isWanted).map(turnOf);
  const allKept = await findKept(found);
  const kept = allKept.filter((one) => path === null || isKeptMeant(one, path));
  const taken = found.taken.filter(isWanted).filter((one) => !allKept.some(({ status }) => isOf(one, status)));
  const orphans = found.orphans.filter((orphan) => path === null || isOrphanMeant(orphan, path));
  const forgotten = new Set(path === null ? found.forgotten : found.forgotten.filter((id) => id === diskId(path)));
  for (const note of found.notes) if (path === null || note.startsWith(`${path}: `)) printLine(note);
  for (const still of found.still) if (path === null || still.what === path) failed(still);
  for (const turn of turns) printLines(planOf(turn, up));
  for (const one of kept) printLines(await planOfKept(one, up));
  for (const deadDisk of taken) failed(nameIsTaken(deadDisk.mountpoint));
  for (const orphan of orphans) printLines(orphanPlan(orphan));
  // Of a disk that still holds memory the files say whose it is.
  const keep = ({ mountpoint: name }: Orphan): void => void (name !== null && forgotten.delete(diskId(name)));
  for (const orphan of found.orphans) if (orphan.blockers.length > 0 || !orphans.includes(orphan)) keep(orphan);
  if (forgotten.size > 0) printLine(`will ${forgetStep([...forgotten]).plan}`);
  if (turns.length + kept.length + taken.length + orphans.length + forgotten.size === 0)
    printLine(path === null ? "nothing to recover" : `${path}: nothing to recover`);
  if (flags.dryRun) return;
  // A signal does not interrupt it, as half a recovery is useless; each step has a time limit.
  await interruptible("recover", async () => {
    for (const turn of turns) await recoverOne(turn, found, turnOf, up).catch(failed);
    for (const one of kept) await recoverKept(one, found, up).catch(failed);
    for (const orphan of orphans) {
      await clearOrphan(orphan).then(
        () => orphan.mountpoint !== null && forgotten.add(diskId(orphan.mountpoint)),
        (error: unknown) => {
          keep(orphan);
          failed(error);
        },
      );
    }
    if (forgotten.size > 0) printLine(await forgetStep([...forgotten]).act());
  });
}

export function defineRecover(command: Command, outcome: Outcome): void {
  command
    .description(
      "Finds dead kmemfs mounts and removes them with everything on them: swap, file systems, loop devices. " +
        "Prints what it will do before doing it. A live mount is never touched.",
    )
    .argument("[mountpoint]", "only this disk; without it, all dead ones")
    .option("--up", "bring back disks whose pool has a path or was kept")
    .option("-n, --dry-run", "only print what would be done")
    .option("--debug", "show stack traces on errors")
    .action((mountpoint: string | undefined, flags: RecoverFlags) => recover(mountpoint, flags, outcome));
}
