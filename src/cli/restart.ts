/** `kmemfs restart MOUNTPOINT`: another server of the same mount. */
import type { Command } from "commander";
import type { MountStatus } from "../mounts/status.js";
import { noDisk, requireDisk } from "../disk/findDisk.js";
import { printLine } from "./print.js";

async function restart(mountpoint: string): Promise<void> {
  const disk = await requireDisk("restart", mountpoint);
  if ((disk.givenUp ?? null) !== null) return bringBack(disk);
  const { restartServer, findMount } = await import("../mounts/client.js");
  const pauseMs = await restartServer(disk);
  const now = await findMount(disk.mountpoint);
  const pid = now?.serverPid ?? null;
  printLine(`${disk.mountpoint}: server ${pid ?? "(just ending)"} serves; nobody did for ${Math.round(pauseMs)} ms`);
}

/** As `kmemfs recover --up` of it. */
async function bringBack({ mountpoint }: MountStatus): Promise<void> {
  const [{ findRemains }, { findKept }, kept, { interruptible }] = await Promise.all([
    import("../recover/find.js"),
    import("../recover/kept.js"),
    import("./recoverKept.js"),
    import("../disk/rollback.js"),
  ]);
  process.chdir("/");
  const found = await findRemains();
  const disk = (await findKept(found)).find(({ status }) => status.mountpoint === mountpoint);
  if (disk === undefined) throw noDisk("restart", mountpoint);
  for (const line of await kept.planOfKept(disk, true)) printLine(line);
  await interruptible("restart", () => kept.recoverKept(disk, found, true));
}

export function addRestartCommand(program: Command): void {
  program
    .command("restart")
    .summary("replace the server of a mount, as after an upgrade")
    .description(
      "Replaces the server of a mount by one of the version that is installed now. What is mounted stays mounted, " +
        "and whoever uses the disk waits for a moment. A new server that cannot go on refuses, and the old one stays.",
    )
    .usage("MOUNTPOINT")
    .argument("<mountpoint>", "where the disk is mounted")
    .option("--debug", "stack traces with errors")
    .action(restart);
}
