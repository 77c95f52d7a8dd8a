/** Mounts whose session is over but that are still there: every look at one is ENOTCONN. */
import { spawn } from "node:child_process";
import { mountOn } from "./mounts.js";

/** A live mount whose server hangs would hang us too: a child looks, and is not waited for longer. */
const LOOK_TIMEOUT_MS = 3_000;

/** True when a kmemfs mount is on top at `directory` and answers ENOTCONN. */
export function isDeadMount(directory: string): Promise<boolean> {
  if (mountOn(directory)?.fsType !== "fuse.kmemfs") return Promise.resolve(false);
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: "C" };
    const child = spawn("stat", ["-c", "%i", "--", directory], { cwd: "/", env, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    // One that hangs in the kernel cannot be ended: it is left to itself.
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      child.stderr.destroy();
      child.unref();
      resolve(false);
    }, LOOK_TIMEOUT_MS);
    const settle = (dead: boolean): void => {
      clearTimeout(timer);
      resolve(dead);
    };
    child.on("error", () => settle(false));
    child.on("close", (exitCode) => settle(exitCode !== 0 && /not connected/.test(said)));
  });
}
