/** `kmemfs down MOUNTPOINT`: the reverse of `up`, in the safe order. */
import type { Command } from "commander";
import { printLine } from "./print.js";
import { interruptible } from "./undo.js";

async function down(mountpoint: string): Promise<void> {
  const [{ requireDisk }, { takeDown }] = await Promise.all([import("./disk/find.js"), import("./disk/takeDown.js")]);
  const disk = await requireDisk("down", mountpoint);
  // Called from inside the file system, this process would hold it itself.
  process.chdir("/");
  // Half a tear-down helps nobody: a signal during it changes nothing, as each step has its time limit.
  for (const line of await interruptible("down", () => takeDown(disk))) printLine(line);
}

export function addDownCommand(program: Command): void {
  program
    .command("down")
    .summary("unmount, detach and end it, in safe order")
    .description("Ends a disk made by up, or by hand with mount and losetup. What is still in use is named, and stays.")
    .usage("MOUNTPOINT")
    .argument("<mountpoint>", "where the file system or the disk is mounted")
    .option("--debug", "stack traces with errors")
    .action(down);
}
