/** The whole command line: the list of commands, the choice of the command for an argv, and the help. */

import { lstatSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { PACKAGE_FILE } from "../linux/process/programs.js";
import { type Outcome, throwUsageErrors, wrongUsage } from "./usage.js";

const EXAMPLE = `
Example, as root:
  mkdir -p /mnt/ram
  kmemfs up /mnt/ram --size 4G     an ext4 file system in memory
  rm /mnt/ram/some-large-file
  kmemfs trim /mnt/ram             its memory returns to the machine
  kmemfs down /mnt/ram             nothing is left

kmemfs MOUNTPOINT is short for kmemfs mount MOUNTPOINT.`;

function version(): string {
  return (JSON.parse(readFileSync(PACKAGE_FILE, "utf8")) as { version: string }).version;
}

/** As the list of all shows them. */
const COMMANDS: readonly { name: keyof typeof DEFINE; alias?: string; usage: string; summary: string }[] = [
  { name: "up", usage: "MOUNTPOINT [options]", summary: "make a disk with a file system" },
  { name: "down", usage: "MOUNTPOINT", summary: "take a disk down, in the safe order" },
  { name: "trim", usage: "MOUNTPOINT", summary: "return the memory of deleted files" },
  { name: "status", usage: "[MOUNTPOINT] [options]", summary: "show mounts and the memory they use" },
  { name: "resize", usage: "MOUNTPOINT SIZE [--force]", summary: "resize a mounted disk" },
  { name: "mount", usage: "[POOL] MOUNTPOINT [options]", summary: "mount a pool as one sparse file, disk" },
  { name: "restart", usage: "MOUNTPOINT", summary: "replace the server of a mount, e.g. after an upgrade" },
  { name: "unmount", alias: "umount", usage: "MOUNTPOINT [--force]", summary: "unmount a pool that is not in use" },
  { name: "recover", usage: "[MOUNTPOINT] [options]", summary: "clean up after killed processes" },
  { name: "doctor", usage: "[MOUNTPOINT] [options]", summary: "check the machine and the mounts for problems" },
  { name: "format", usage: "POOL [options]", summary: "format a file or directory as a pool" },
  { name: "check", usage: "POOL [options]", summary: "check or repair a pool (exit codes of fsck)" },
  { name: "dump", usage: "POOL [-J]", summary: "print a pool's layout and index" },
  { name: "rehome", usage: "POOL", summary: "move all blocks to their home pages, for direct mode" },
  { name: "demo", usage: "[--size SIZE]", summary: "show the life of a disk, with figures" },
];

/** What gives a command its options; its module is loaded when it is the one that is meant. */
const DEFINE = {
  up: async () => (await import("./up.js")).defineUp,
  down: async () => (await import("./down.js")).defineDown,
  trim: async () => (await import("./trim.js")).defineTrim,
  status: async () => (await import("./status.js")).defineStatus,
  resize: async () => (await import("./resize.js")).defineResize,
  mount: async () => (await import("./mount.js")).defineMount,
  restart: async () => (await import("./restart.js")).defineRestart,
  unmount: async () => (await import("./unmount.js")).defineUnmount,
  recover: async () => (await import("./recover.js")).defineRecover,
  doctor: async () => (await import("./doctor.js")).defineDoctor,
  format: async () => (await import("./format.js")).defineFormat,
  check: async () => (await import("./check.js")).defineCheck,
  dump: async () => (await import("./dump.js")).defineDump,
  rehome: async () => (await import("./rehome.js")).defineRehome,
  demo: async () => (await import("./demo.js")).defineDemo,
} satisfies Readonly<Record<string, () => Promise<(command: Command, outcome: Outcome) => void>>>;

/**
 * @param args as `withCommand` gives them; only the command that they name gets its options
 * @param outcome where that command leaves its exit code
 */
export async function buildProgram(args: readonly string[], outcome: Outcome): Promise<Command> {
  const program = new Command("kmemfs")
    .description("A RAM or DAX disk in one sparse file that gives its memory back.")
    .usage("COMMAND | MOUNTPOINT [options]")
    .version(`kmemfs ${version()}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help, also for a command")
    .addHelpText("after", EXAMPLE)
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
    .helpCommand(false)
    .showSuggestionAfterError(true);
  for (const { name, alias, usage, summary } of COMMANDS) {
    const command = program.command(name).usage(usage).summary(summary);
    if (alias !== undefined) command.alias(alias);
    if (args[0] !== name && args[0] !== alias) continue;
    (await DEFINE[name]())(command, outcome);
    if (!command.options.some(({ long }) => long === "--debug"))
      command.option("--debug", "show stack traces on errors");
  }
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
export function withCommand(args: readonly string[]): string[] {
  const at = args.findIndex((arg) => arg !== "--debug");
  const first = args[at];
  if (first === undefined || TOP_LEVEL_FLAGS.has(first)) return [...args];
  if (first === "help") return [...args.slice(at + 1, at + 2), "--help"];
  if (COMMANDS.some(({ name, alias }) => first === name || first === alias)) return [first, ...args.toSpliced(at, 1)];
  if (/^[a-z]+$/.test(first) && !POOL_NAMES.has(first) && !exists(first)) {
    const alone = args.every((arg, i) => i === at || arg.startsWith("-"));
    const cure = alone ? "kmemfs --help" : `kmemfs --help, or ./${first} for a pool`;
    throw wrongUsage(first, "unknown command, and no such file or directory", cure);
  }
  return ["mount", ...args];
}
