/** The part of `recover` and `restart` for disks whose servers were given up but whose holder keeps the pool. */
import { dirname } from "node:path";
import { UserError } from "../base/errors.js";
import { quote } from "../mounts/paths.js";
import type { DeadDisk } from "../recover/deadDisk.js";
import type { Findings } from "../recover/find.js";
import type { Kept } from "../recover/kept.js";
import { bringKeptBack, lookAtKept } from "../recover/kept.js";
import type { Step } from "../recover/steps.js";
import { clearingSteps } from "../recover/steps.js";
import { whileItIsCleared } from "../recover/withNameLock.js";
import { printLine } from "./print.js";

/** True when `path` is one of the disk's names. */
export function isKeptMeant({ status, deadDisk }: Kept, path: string): boolean {
  const places = [...(deadDisk?.dead ?? []), ...(deadDisk?.fileSystems ?? [])].map((mount) => mount.mountpoint);
  return status.mountpoint === path || dirname(status.file) === path || places.includes(path);
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
    throw new UserError(`recover ${deadDisk.mountpoint}`, blockers.join("; "), { code: "EBUSY", cure });
  }
  for (const step of steps) printLine(await step.act());
}

/** What is going to be done, a line each. */
export async function planOfKept({ status, deadDisk }: Kept, up: boolean): Promise<string[]> {
  const { givenUp, holderPid } = status;
  const place = quote(status.mountpoint);
  const lines = [`${place}: given up because ${givenUp}; process ${holderPid} keeps its pool`];
  if (deadDisk !== null && blockersOf(deadDisk).length > 0) return lines;
  const steps = deadDisk === null ? [] : clearingSteps(deadDisk);
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
    const plan = await planOfKept(now, up);
    // Not without saying so.
    if (plan.join("\n") !== (await planOfKept(told, up)).join("\n")) for (const line of plan) printLine(line);
    const { status, deadDisk } = now;
    if (deadDisk !== null) await clear(deadDisk, clearingSteps(deadDisk));
    if (!up) return;
    for (const line of await bringKeptBack(status)) printLine(line);
  });
}
