/** Running commands for the scripts beside this file. */
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { constants as osConstants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

// It doubles the time that each Node takes to start, and nothing here needs certificates.
delete process.env.NODE_EXTRA_CA_CERTS;

export const projectRoot = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** Runs a command from the top of the project, its output shown. @returns its status */
export function attempt(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: projectRoot,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  if (result.error !== undefined) console.error(`${command}: ${result.error.message}`);
  return result.status ?? 1;
}

/** Runs a command in the foreground, passing signals on to it, and ends this process as it ended. */
export function become(command, args, env = {}) {
  const child = spawn(command, args, { cwd: projectRoot, stdio: "inherit", env: { ...process.env, ...env } });
  // The terminal sends Ctrl-C to the child too: it cleans up, and then we end.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`${command}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (osConstants.signals[signal] ?? 0);
  });
}

/** True when `command` can be run; sbin is looked at too, which a user's PATH may lack. */
export function hasCommand(command) {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"].some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
