/**
 * Called by mount(8) as `mount.fuse.kmemfs POOL DIR [-sfnvrw] [-N ns] [-t type] [-o opts]`.
 * The exit codes are those of mount(8), section EXIT STATUS.
 */

import { Command, CommanderError } from "commander";
import { UserError } from "../base/errors.js";
import { unescapeOctal } from "../linux/proc/mounts.js";
import { readText } from "../linux/proc/procFile.js";
import { startMount } from "../mounts/client.js";
import type { RawOptions } from "../mounts/optionTable.js";
import { absolutePath } from "../mounts/paths.js";
import { prepareMount } from "./mount.js";
import { currentInvoker } from "./mountOptions.js";
import { parseOptionList, splitOptionList } from "./optionList.js";
import { printFailure } from "./print.js";
import { remount } from "./remount.js";
import { isHelp, throwUsageErrors, wrongUsage } from "./usage.js";

const MOUNT_USAGE = 1;
const MOUNT_SYSTEM = 2;
const MOUNT_FAILED = 32;

export interface HelperCall {
  readonly pool: string;
  readonly directory: string;
  readonly raw: RawOptions;
  /** The text that `raw` were read from. */
  readonly list: string;
  /** `-f`: do everything except mount. */
  readonly fake: boolean;
}

interface HelperFlags {
  s?: boolean;
  f?: boolean;
  r?: boolean;
  w?: boolean;
  N?: string;
  o?: string[];
}

/** Reads the helper's arguments, those after the name. @throws UserError */
export function parseHelperCall(args: readonly string[]): HelperCall {
  const command = new Command("mount.fuse.kmemfs")
    .argument("<pool>")
    .argument("<dir>")
    .option("-s", "ignore unknown options")
    .option("-f", "do everything except mount")
    .option("-n", "do not write /etc/mtab")
    .option("-v", "be verbose")
    .option("-r", "read-only")
    .option("-w", "mount read-write")
    .option("-N <namespace>", "mount in another namespace")
    .option("-t <type>", "type of the file system")
    .option("-o <options>", "mount options", (value: string, previous: string[] = []) => [...previous, value])
    .action(() => {});
  throwUsageErrors(command);
  command.parse([...args], { from: "user" });
  const flags = command.opts<HelperFlags>();
  if (flags.N !== undefined) {
    throw wrongUsage(
      `mount -N ${flags.N}`,
      "mounting in another namespace is not supported",
      `nsenter --mount=${flags.N} mount -t fuse.kmemfs …`,
    );
  }
  const list = (flags.o ?? []).join(",");
  const raw = parseOptionList(list, flags.s ?? false);
  if (flags.r) raw.readOnly = true;
  if (flags.w) raw.readOnly = false;
  const [pool = "", directory = ""] = command.args;
  return { pool, directory, raw, list, fake: flags.f ?? false };
}

/** The options of the last line for `directory` in fstab(5), or null: mount(8) puts them before its own. */
export function optionsInFstab(directory: string, text = readText("/etc/fstab") ?? ""): string | null {
  const lines = text
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => line.trim().split(/\s+/));
  const ours = lines.filter(([, target = "", type = ""]) => {
    return unescapeOctal(target) === directory && /^(fuse\.)?kmemfs$/.test(type);
  });
  return ours.at(-1)?.[3] ?? null;
}

const isSize = (option: string): boolean => option.startsWith("size=");

/** True when a `size=` among `options` is more than what mount(8) took from the line of fstab. */
export function asksForSize(options: readonly string[], inFstab: readonly string[]): boolean {
  const sizes = options.filter(isSize);
  const known = inFstab.filter(isSize);
  return sizes.length > known.length || sizes.some((size) => !known.includes(size));
}

/** mount(8)'s exit code for `error`. */
export function helperExitCode(error: unknown): number {
  if (!(error instanceof UserError)) return MOUNT_SYSTEM;
  const denied = error.options.code === "EPERM" || error.options.code === "EACCES";
  return error.exitCode === 2 || denied ? MOUNT_USAGE : MOUNT_FAILED;
}

/** mount(8) gives the options of fstab, or of mountinfo, together with those that it was called with. */
async function remountByHelper({ directory, raw, list, fake }: HelperCall): Promise<void> {
  const mountpoint = absolutePath(directory, process.cwd());
  const sizeIsAsked = asksForSize(splitOptionList(list), splitOptionList(optionsInFstab(mountpoint) ?? ""));
  if (!fake) await remount(mountpoint, raw, currentInvoker(), sizeIsAsked);
}

/** Acts as mount(8)'s helper; returns its exit code. */
export async function runMountHelper(args: readonly string[]): Promise<number> {
  let debug = false;
  try {
    const call = parseHelperCall(args);
    debug = call.raw.debug ?? false;
    if (call.raw.remount === true) {
      await remountByHelper(call);
      return 0;
    }
    const options = prepareMount(call.pool, call.directory, { ...call.raw, foreground: false }, currentInvoker());
    if (!call.fake) await startMount(options);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) return 0;
    printFailure(error, debug);
    return helperExitCode(error);
  }
}
