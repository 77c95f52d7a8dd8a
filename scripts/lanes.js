/** Commands that run beside each other, each line of their output under the name of its command. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { projectRoot } from "./run.js";

/**
 * Runs all to their ends; a signal is passed on to each.
 * @param lanes `{ name, command, args, env }` each
 * @returns the first status that is not 0, or 0
 */
export async function runLanes(lanes) {
  const children = lanes.map(({ name, command, args, env }) => {
    const child = spawn(command, args, {
      cwd: projectRoot,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => console.log(`${name}: ${line}`));
    }
    return child;
  });
  const passOn = (signal) => {
    for (const child of children) child.kill(signal);
  };
  // The terminal sends Ctrl-C to the children too: they clean up, and then we end.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => passOn(signal));
  const statuses = await Promise.all(children.map(statusOf));
  return statuses.find((status) => status !== 0) ?? 0;
}

function statusOf(child) {
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`${child.spawnfile}: ${error.message}`);
      resolve(1);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
}
