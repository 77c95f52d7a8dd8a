/** The command line as a whole: which command an argv means, and the help. */
import { lstatSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { UserError } from "../base/errors.js";
import { addCheckCommand } from "./check.js";
import { addDemoCommand } from "./demo.js";
import { addDoctorCommand } from "./doctor.js";
import { addDownCommand } from "./down.js";
import { addDumpCommand } from "./dump.js";
import { addFormatCommand } from "./format.js";
import { addMountCommand } from "./mount.js";
import type { Outcome } from "./outcome.js";
import { addRecoverCommand } from "./recover.js";
import { addRehomeCommand } from "./rehome.js";
import { addResizeCommand } from "./resize.js";
import { addRestartCommand } from "./restart.js";
import { addStatusCommand } from "./status.js";
import { addTrimCommand } from "./trim.js";
import { addUnmountCommand } from "./unmount.js";
import { addUpCommand } from "./up.js";
import { throwUsageErrors } from "./usage.js";

const EXAMPLE = `
Example, as root:
  mkdir -p /mnt/ram
  kmemfs up /mnt/ram --size 4G     an ext4 file system in memory
  rm /mnt/ram/some-large-file
  kmemfs trim /mnt/ram             its memory goes back to the machine
  kmemfs down /mnt/ram             nothing is left

kmemfs MOUNTPOINT is short for kmemfs mount MOUNTPOINT.`;

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

export function buildProgram(outcome: Outcome): Command {
  const program = new Command("kmemfs")
    .description("A RAM or DAX disk in one sparse file that gives its memory back.")
    .usage("COMMAND | MOUNTPOINT [options]")
    .version(`kmemfs ${version()}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help, also for a command")
    .addHelpText("after", EXAMPLE)
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
    .helpCommand(false)
    .showSuggestionAfterError(true);
  addUpCommand(program);
  addDownCommand(program);
  addTrimCommand(program);
  addStatusCommand(program, outcome);
  addResizeCommand(program);
  addMountCommand(program, outcome);
  addRestartCommand(program);
  addUnmountCommand(program);
  addRecoverCommand(program, outcome);
  addDoctorCommand(program, outcome);
  addFormatCommand(program);
  addCheckCommand(program, outcome);
  addDumpCommand(program);
  addRehomeCommand(program, outcome);
  addDemoCommand(program);
  throwUsageErrors(program);
  return program;
}

/** Pools that are not paths. */
const POOL_NAMES = new Set(["none", "tmpfs", "kmemfs", "memfd"]);
const TOP_LEVEL_FLAGS = new Set(["-h", "--help", "-V", "--version"]);

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

/**
 * The arguments with the command named first: what begins with neither a
 * command nor a flag of the program itself is a mount.
 * @throws UserError for a lone word that is no directory either: a slip of the pen
 */
export function withCommand(program: Command, args: readonly string[]): string[] {
  const at = args.findIndex((arg) => arg !== "--debug");
  const first = args[at];
  if (first === undefined || TOP_LEVEL_FLAGS.has(first)) return [...args];
  if (first === "help") return [...args.slice(at + 1, at + 2), "--help"];
  const commands = program.commands.flatMap((command) => [command.name(), ...command.aliases()]);
  if (commands.includes(first)) return [first, ...args.toSpliced(at, 1)];
  if (/^[a-z]+$/.test(first) && !POOL_NAMES.has(first) && !exists(first)) {
    const alone = args.every((arg, i) => i === at || arg.startsWith("-"));
    const cure = alone ? "kmemfs --help" : `kmemfs --help, or ./${first} for a pool`;
    throw new UserError(first, "neither a command nor there", { cure, exitCode: 2 });
  }
  return ["mount", ...args];
}
