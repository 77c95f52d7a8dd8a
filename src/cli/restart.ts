/** `kmemfs restart MOUNTPOINT`: another server of the same mount. */
import type { Command } from "commander";
import { requireDisk } from "./findDisk.js";
import { printLine } from "./print.js";

async function restart(mountpoint: string): Promise<void> {
  const disk = await requireDisk("restart", mountpoint);
  const { restartServer, findMount } = await import("../daemon/client.js");
  const pauseMs = await restartServer(disk);
  const now = await findMount(disk.mountpoint);
  const pid = now?.serverPid ?? null;
  printLine(`${disk.mountpoint}: server ${pid ?? "(just ending)"} serves; nobody did for ${Math.round(pauseMs)} ms`);
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
