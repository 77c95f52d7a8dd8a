/** `kmemfs restart MOUNTPOINT`: replaces the server of a mount. */
import type { Command } from "commander";
import { noDisk, requireDisk } from "../disk/findDisk.js";
import { interruptible } from "../disk/rollback.js";
import { findMount, restartServer } from "../mounts/client.js";
import type { MountStatus } from "../mounts/status.js";
import { findDeadDisks } from "../recover/find.js";
import { findKept } from "../recover/kept.js";
import { printLine } from "./print.js";
import { planOfKept, recoverKept } from "./recoverKept.js";

async function restart(mountpoint: string): Promise<void> {
  const disk = await requireDisk("restart", mountpoint);
  if ((disk.givenUp ?? null) !== null) return bringBack(disk);

  const pauseMs = await restartServer(disk);
  const now = await findMount(disk.mountpoint);
  const pid = now?.serverPid ?? null;
  printLine(`${disk.mountpoint}: server ${pid ?? "(already gone)"} took over after ${Math.round(pauseMs)} ms`);
}

/** As `kmemfs recover --up` of it. */
async function bringBack({ mountpoint }: MountStatus): Promise<void> {
  process.chdir("/");
  const found = await findDeadDisks();
  const disk = (await findKept(found)).find(({ status }) => status.mountpoint === mountpoint);
  if (disk === undefined) throw noDisk("restart", mountpoint);
  for (const line of await planOfKept(disk, true)) printLine(line);
  await interruptible("restart", () => recoverKept(disk, found, true));
}

export function defineRestart(command: Command): void {
  command
    .description(
      "Replaces the server of a mount with one of the installed version. Everything stays mounted; users of the disk " +
        "wait for a moment. If the new server cannot take over, the old one stays.",
    )
    .argument("<mountpoint>", "where the disk is mounted")
    .option("--debug", "show stack traces on errors")
    .action(restart);
}
