/** The part of `recover` and `restart` for disks whose servers were given up but whose holder keeps the pool. */
import { dirname } from "node:path";
import { LAZILY, type Step, stepsOf } from "../disk/steps.js";
import { busy } from "../disk/users.js";
import { quote } from "../mounts/paths.js";
import { type DeadDisk, isMeant } from "../recover/deadDisk.js";
import type { Findings } from "../recover/find.js";
import { bringKeptBack, type Kept, lookAtKept } from "../recover/kept.js";
import { whileItIsCleared } from "../recover/withNameLock.js";
import { printLine } from "./print.js";

/** True when `path` is one of the disk's names. */
export function isKeptMeant({ status, deadDisk }: Kept, path: string): boolean {
  return [status.mountpoint, dirname(status.file)].includes(path) || (deadDisk !== null && isMeant(deadDisk, path));
}

/** Loop devices, what lies on them and swap are root's. */
export function blockersOf(deadDisk: DeadDisk): readonly string[] {
  const { loops, blockers } = deadDisk;
  if (process.geteuid?.() === 0 || loops.length === 0) return blockers;
  return [...blockers, `only root can detach ${loops.map((loop) => loop.path).join(", ")} from its file`];
}

/** @throws UserError when something is left */
export async function clear(deadDisk: DeadDisk, steps: readonly Step[]): Promise<void> {
  const blockers = blockersOf(deadDisk);
  if (blockers.length > 0) {
    const cure = process.geteuid?.() === 0 ? "stop these, then kmemfs recover" : "sudo kmemfs recover";
    throw busy(`recover ${deadDisk.mountpoint}`, blockers, cure);
  }
  for (const step of steps) printLine(await step.act());
}

/** What is going to be done, a line each. */
export function planOfKept({ status, deadDisk }: Kept, up: boolean): string[] {
  const { givenUp, holderPid } = status;
  const place = quote(status.mountpoint);
  const lines = [`${place}: given up because ${givenUp}; process ${holderPid} keeps its pool`];
  if (deadDisk !== null && blockersOf(deadDisk).length > 0) return lines;
  const steps = deadDisk === null ? [] : stepsOf(deadDisk, LAZILY);
  lines.push(...steps.map((step) => `  will ${step.plan}`));
  if (up) return [...lines, "  will bring it back with its contents"];
  const then = steps.length === 0 ? "" : "then, ";
  return [
    ...lines,
    `  ${then}to bring it back: kmemfs recover --up ${place}`,
    `  ${then}to discard it: kmemfs down ${place}`,
  ];
}

/** @throws UserError when something is left, or another process is at it */
export async function recoverKept(told: Kept, found: Findings, up: boolean): Promise<void> {
  await whileItIsCleared(told.status, async () => {
    const now = await lookAtKept(told, found);
    printChanged(planOfKept(told, up), planOfKept(now, up));
    if (now.deadDisk !== null) await clear(now.deadDisk, stepsOf(now.deadDisk, LAZILY));
    if (up) printLines(await bringKeptBack(now.status));
  });
}

export function printLines(lines: readonly string[]): void {
  for (const line of lines) printLine(line);
}

/** Nothing is done that was not told before. */
export function printChanged(told: readonly string[], plan: readonly string[]): void {
  if (plan.join("\n") !== told.join("\n")) printLines(plan);
}
