/** Turns commander's errors into UserErrors with our exit codes. */
import type { Command, CommanderError } from "commander";
import { UserError } from "../base/errors.js";

/** The exit code of a command that does not throw: 0 unless it sets another. */
export interface Outcome {
  exitCode: number;
}

/** @throws UserError with `again` as the command to repeat as root */
export function requireRoot(what: string, again: string): void {
  if (process.geteuid?.() === 0) return;
  throw new UserError(what, "needs root for loop devices and mounts", { code: "EPERM", cure: `sudo ${again}` });
}

/** fsck(8): 16 is wrong usage. */
export const FSCK_USAGE = 16;

const NO_FAILURE = new Set(["commander.helpDisplayed", "commander.help", "commander.version"]);

/** True when commander only printed help or the version. */
export function isHelp(error: CommanderError): boolean {
  return NO_FAILURE.has(error.code);
}

export function usageExitCode(commandName: string): number {
  return commandName === "check" ? FSCK_USAGE : 2;
}

/** What commander found wrong, as a UserError. */
export function usageError(command: Command, error: CommanderError): UserError {
  const name = command.name();
  const reason = error.message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .replace(/\.$/, "");
  const cure = name === "kmemfs" ? "kmemfs --help" : `kmemfs ${name} --help`;
  return new UserError(name === "kmemfs" ? "usage" : name, reason, { cure, exitCode: usageExitCode(name) });
}

/** Makes `command` and all below it throw instead of printing and exiting. */
export function throwUsageErrors(command: Command): void {
  command.configureOutput({ outputError: () => {} });
  command.exitOverride((error) => {
    throw isHelp(error) ? error : usageError(command, error);
  });
  for (const child of command.commands) throwUsageErrors(child);
}
