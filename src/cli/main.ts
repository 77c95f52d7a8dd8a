/** From argv to an exit code. Every error ends here, as one line. */
import { CommanderError } from "commander";
import { UserError } from "../base/errors.js";
import { isMountHelper, runMountHelper } from "./mountHelper.js";
import type { Outcome } from "./outcome.js";
import { printFailure, toleratePipeClose } from "./print.js";
import { buildProgram, withCommand } from "./program.js";
import { isHelp } from "./usage.js";

async function runCommand(args: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: 0 };
  try {
    if (args.length === 0) {
      throw new UserError("usage", "neither a command nor a mount point", { cure: "kmemfs --help", exitCode: 2 });
    }
    const program = buildProgram(outcome);
    await program.parseAsync(withCommand(program, args), { from: "user" });
    return outcome.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) return 0;
    const exitCode = printFailure(error, args.includes("--debug"));
    // A command that set its own code before it failed (check: fsck's 8) keeps it.
    return error instanceof UserError ? exitCode : outcome.exitCode || exitCode;
  }
}

/** Runs the command line `argv`, as in process.argv, and sets process.exitCode. */
export async function main(argv: string[]): Promise<void> {
  toleratePipeClose();
  const [, self, ...args] = argv;
  process.exitCode = isMountHelper(self) ? await runMountHelper(args) : await runCommand(args);
}
