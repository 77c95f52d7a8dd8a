/** `kmemfs mount [POOL] MOUNTPOINT`, and what it shares with mount(8)'s helper. */
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { readMounts } from "../linux/proc/mounts.js";
import { takeServiceEnvironment } from "../linux/process/notify.js";
import { startMount } from "../mounts/client.js";
import type { AskedOptions, MountOptions } from "../mounts/options.js";
import { flagsOf, type RawOptions } from "../mounts/optionTable.js";
import { absolutePath, quote } from "../mounts/paths.js";
import { printMountNotes } from "./mountNotes.js";
import { currentInvoker, type Invoker, toMountOptions } from "./mountOptions.js";
import { checkMountpoint } from "./mountpoint.js";
import { parseOptionList } from "./optionList.js";
import { printLine } from "./print.js";
import { describeRemounted, remount } from "./remount.js";
import { formatBytes } from "./sizes.js";
import type { Outcome } from "./usage.js";

interface MountFlags extends RawOptions {
  o?: string[];
}

/** The words of the flags and of all `-o` lists; a flag counts more than an option. */
function mergeOptions(flags: MountFlags): RawOptions {
  const { o = [], spare, ...raw } = flags;
  // Without `--no-spare` commander sets it to true.
  return { ...parseOptionList(o.join(",")), ...raw, ...(spare === false ? { spare } : {}) };
}

/**
 * The validated options of a mount on `mountpointText`, and its mount point checked.
 * @param goesOn it is mounted already: nothing may ask it before a server is back
 */
export function prepareMount(
  pool: string | undefined,
  mountpointText: string,
  raw: RawOptions,
  invoker: Invoker,
  goesOn = false,
): MountOptions {
  if (mountpointText === "") throw new UserError("mount", "the mount point is an empty string", { exitCode: 2 });
  const mountpoint = absolutePath(mountpointText, invoker.directory);
  const options = toMountOptions(pool, { mountpoint, fuseDirectory: mountpoint }, raw, invoker);
  if (!goesOn) checkMountpoint(`mount ${mountpoint}`, mountpoint, readMounts(), raw.nonEmpty);
  return options;
}

/** Mounts in this process, or goes on with a mount whose fds the service manager kept. @returns the exit code */
export async function mountHere(asked: AskedOptions): Promise<number> {
  // Only this one becomes a holder.
  const { runHolder } = await import("../daemon/holder/holder.js");
  const { logTo } = await import("../daemon/holder/log.js");
  return runHolder(asked, logTo(2), () => {}, takeServiceEnvironment());
}

async function mount(pool: string | undefined, mountpoint: string, flags: MountFlags, outcome: Outcome): Promise<void> {
  const raw = mergeOptions(flags);
  const invoker = currentInvoker();
  if (raw.remount === true) {
    return describeRemounted(await remount(mountpoint, raw, invoker));
  }
  if (raw.foreground === true) {
    const asked: AskedOptions = (goesOn) => prepareMount(pool, mountpoint, raw, invoker, goesOn);
    outcome.exitCode = await mountHere(asked);
    return;
  }
  const options = prepareMount(pool, mountpoint, raw, invoker);
  const status = await startMount(options);
  const where = status.pool.path === null ? status.pool.kind : quote(status.pool.path);
  printLine(`${quote(status.file)}: ${formatBytes(status.sizeBytes)}, pool ${where}, ${status.io}`);
  if (status.wasUnclean) printLine(`  ${where} was not closed cleanly; all of it was checked`);
  printMountNotes();
}

const collect = (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), value];

export function defineMount(command: Command, outcome: Outcome): void {
  command
    .description(
      "Mounts a pool. MOUNTPOINT then contains one sparse file, disk, for losetup, mkfs or a virtual machine.",
    )
    .argument("[pool]", "tmpfs (the default), memfd, a file, a directory, or /dev/daxX.Y")
    .argument("[mountpoint]", "an empty directory")
    .option("-o <opt[,opt...]>", "options in the form of mount(8), e.g. -o size=1G,ro", collect)
    .addHelpText(
      "after",
      "\nExample:\n  kmemfs mount /mnt/ram --size 4G && losetup --find --show --direct-io=on /mnt/ram/disk",
    )
    .action(async (first: string | undefined, second: string | undefined, flags: MountFlags) => {
      if (first === undefined) {
        throw new UserError("mount", "the mount point is missing", { cure: "kmemfs mount --help", exitCode: 2 });
      }
      // One operand alone is the mount point.
      if (second === undefined) await mount(undefined, first, flags, outcome);
      else await mount(first, second, flags, outcome);
    });
  for (const { flags, help } of flagsOf("mount")) command.option(flags, help);
}
