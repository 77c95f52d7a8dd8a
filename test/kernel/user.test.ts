/** A user without root mounts through fusermount3, sees the status, and unmounts; others cannot look in. */
import { expect } from "vitest";
import type { MountStatus } from "../../src/mounts/status.js";
import { withPlace } from "../support/place.js";
import type { RunResult } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";
import { USER, userPlace } from "../support/userPlace.js";

const { it } = requires({
  root: true,
  fuse: true,
  commands: ["fusermount3", "setpriv", "unshare", "nsenter"],
  files: ["/etc/passwd"],
});

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
