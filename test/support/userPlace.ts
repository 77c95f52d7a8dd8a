/** A place in which a user without root can mount. */
import { chownSync } from "node:fs";
import type { Place } from "./place.js";
import { type RunOptions, type RunResult, run, start } from "./processes.js";
import { kmemfsProgram } from "./project.js";

/** nobody: fusermount3 wants a user that has a name. */
export const USER = 65534;
const AS_USER = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];

interface UserPlace {
  readonly directory: string;
  user(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Root in the same namespace. */
  root(args: readonly string[]): Promise<RunResult>;
}

/**
 * A mount namespace in which users may open /dev/fuse, which fusermount3 does
 * with their rights; the machine's own may have mode 0600.
 */
export async function userPlace(place: Place): Promise<UserPlace> {
  const node = place.path("fuse");
  await run("mknod", ["-m", "666", node, "c", "10", "229"]);
  const line = `mount --bind ${node} /dev/fuse && echo ready && exec sleep 3600`;
  const namespace = start("unshare", ["-m", "sh", "-c", line]);
  place.cleanup.add("the namespace", () => namespace.stop());
  await namespace.waitFor(/ready/);
  const directory = place.makeDirectory("disk");
  const state = place.makeDirectory("state");
  for (const path of [place.directory, directory, state]) chownSync(path, USER, USER);
  const enter = [`--mount=/proc/${namespace.pid}/ns/mnt`];
  const env = { XDG_RUNTIME_DIR: state, HOME: state };
  const user: UserPlace["user"] = (args, options = {}) =>
    run("nsenter", [...enter, ...AS_USER, ...args], { ...options, env });
  place.cleanup.add("the user's mount", () =>
    user([process.execPath, kmemfsProgram, "unmount", "--force", directory], { allowFail: true }),
  );
  const root: UserPlace["root"] = (args) => run("nsenter", [...enter, ...args]);
  return { directory, user, root };
}
