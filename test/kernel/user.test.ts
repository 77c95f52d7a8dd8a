/** A user without root mounts through fusermount3, sees the status, and unmounts; others cannot look in. */
import { chownSync } from "node:fs";
import { expect } from "vitest";
import type { MountStatus } from "../../src/daemon/status.js";
import { type Place, withPlace } from "../support/place.js";
import { type RunOptions, type RunResult, run, start } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({
  root: true,
  fuse: true,
  commands: ["fusermount3", "setpriv", "unshare", "nsenter"],
  files: ["/etc/passwd"],
});

/** nobody: fusermount3 wants a user that has a name. */
const USER = 65534;
const AS_USER = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];

interface UserPlace {
  readonly directory: string;
  user(args: readonly string[], options?: RunOptions): Promise<RunResult>;
}

/**
 * A mount namespace in which users may open /dev/fuse, which fusermount3 does
 * with their rights; the machine's own may have mode 0600.
 */
async function userPlace(place: Place): Promise<UserPlace> {
  const node = place.path("fuse");
  await run("mknod", ["-m", "666", node, "c", "10", "229"]);
  const line = `mount --bind ${node} /dev/fuse && echo ready && exec sleep 300`;
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
  return { directory, user };
}

it("mount, status, write, discard, unmount", () =>
  withPlace(async (place) => {
    const { directory, user } = await userPlace(place);
    const kmemfs = (...args: string[]): Promise<RunResult> => user([process.execPath, kmemfsProgram, ...args]);
    const status = async (): Promise<MountStatus> =>
      (JSON.parse((await kmemfs("status", directory, "-J")).stdout) as { mounts: MountStatus[] })
        .mounts[0] as MountStatus;

    const mounted = await kmemfs("mount", directory, "--size", "64M");
    expect(mounted.stdout).toBe(`${directory}/disk: 64.0 MiB, pool memfd, served\n`);
    await user(["dd", "if=/dev/urandom", `of=${directory}/disk`, "bs=1M", "count=8", "conv=notrunc", "status=none"]);
    expect(await status()).toMatchObject({ usedBytes: 8 * 2 ** 20, pool: { kind: "memfd", durable: false } });
    await user(["fallocate", "-p", "-o", "0", "-l", "8M", `${directory}/disk`]);
    expect((await status()).usedBytes).toBe(0);
    expect((await user(["stat", "-c", "%u %a", `${directory}/disk`])).stdout).toBe(`${USER} 600\n`);

    // Root's own list does not have it, and without allow_other not even root looks in.
    expect((await place.kmemfs(["status", "-J"])).stdout).not.toContain(directory);
    await kmemfs("unmount", directory);
    expect((await user(["ls", "-A", directory])).stdout).toBe("");
    await place.expectNothingLeft();
  }));
