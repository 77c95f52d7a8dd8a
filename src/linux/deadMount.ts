/** Mounts whose session is over but that are still there: every look at one is ENOTCONN. */
import { execFile } from "node:child_process";
import { mountOn } from "./mounts.js";

/** A live mount whose server hangs would hang us too: a child looks, and is not waited for longer. */
const LOOK_TIMEOUT_MS = 3_000;

/** True when a kmemfs mount is on top at `directory` and answers ENOTCONN. */
export function isDeadMount(directory: string): Promise<boolean> {
  if (mountOn(directory)?.fsType !== "fuse.kmemfs") return Promise.resolve(false);
  const options = { cwd: "/", timeout: LOOK_TIMEOUT_MS, env: { ...process.env, LC_ALL: "C" } };
  return new Promise((resolve) => {
    execFile("stat", ["-c", "%i", "--", directory], options, (error, _stdout, stderr) => {
      resolve(error !== null && /not connected/.test(stderr));
    });
  });
}
