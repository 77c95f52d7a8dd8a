/** From argv to an exit code. Every error ends here, as one line. */
import { basename } from "node:path";
import { CommanderError } from "commander";
import { UserError } from "../base/errors.js";
import { avoidFiles, printFailure, toleratePipeClose } from "./print.js";
import { buildProgram, withCommand } from "./program.js";
import { isHelp, type Outcome, wrongUsage } from "./usage.js";

async function obey(args: readonly string[], outcome: Outcome): Promise<void> {
  if (args.length === 0) {
    throw wrongUsage("usage", "a command or a mount point is required", "kmemfs --help");
  }
  const words = withCommand(args);
  const program = await buildProgram(words, outcome);
  await program.parseAsync(words, { from: "user" });
}

/**
 * A holder with stored fds takes over their session even if its arguments are wrong: a
 * typo in a configuration file must not end a disk in use.
 * @throws the given error, if no fds were stored or all were already taken
 */
async function goOnDespite(error: unknown): Promise<number> {
  if (error instanceof CommanderError || process.env.LISTEN_FDS === undefined) throw error;
  const [{ hasStoredFds }, { mountHere }] = await Promise.all([
    import("../linux/process/notify.js"),
    import("./mount.js"),
  ]);
  if (!hasStoredFds()) throw error;
  return mountHere(() => {
    throw error;
  });
}

const HELPER_NAMES = new Set(["mount.fuse.kmemfs", "mount.kmemfs"]);

/** mount(8) calls us by another name. */
export function isMountHelper(argv1: string | undefined): boolean {
  return argv1 !== undefined && HELPER_NAMES.has(basename(argv1));
}

/** What an error's lines take, and more. */
const WORDS_BYTES = 64 * 1024;

/** Errors are printed even under `ulimit -f 0`, when standard error is a file. */
async function makeRoomForWords(): Promise<void> {
  const { raiseFileSizeLimit } = await import("../linux/syscall/fileSizeLimit.js");
  if (!raiseFileSizeLimit(WORDS_BYTES)) avoidFiles();
}

async function runCommand(args: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: 0 };
  const debug = args.includes("--debug");
  try {
    await obey(args, outcome).catch(async (error: unknown) => {
      outcome.exitCode = await goOnDespite(error);
    });
    return outcome.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) return 0;
    await makeRoomForWords().catch(() => {});
    const exitCode = printFailure(error, debug);
    // A command that set its own code before it failed (check: fsck's 8) keeps it.
    return error instanceof UserError ? exitCode : outcome.exitCode || exitCode;
  }
}

/** Runs the command line `argv`, as in process.argv, and sets process.exitCode. */
export async function main(argv: string[]): Promise<void> {
  toleratePipeClose();
  const [, self, ...args] = argv;
  if (isMountHelper(self)) process.exitCode = await (await import("./mountHelper.js")).runMountHelper(args);
  else process.exitCode = await runCommand(args);
}
