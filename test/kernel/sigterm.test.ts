/** SIGTERM to the holder ends everything that is on the disk, in order, and leaves nothing behind. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { someOf } from "../support/longForm.js";
import { controlSocket, isMounted, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "e2fsck"] });

const END_MS = 60_000;

for (const signal of someOf(["SIGTERM", "SIGINT", "SIGHUP"] as const, 1)) {
  it(`${signal} with ext4 mounted on a loop device`, () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      const disk = await place.mount({ pool, size: "64M", args: ["--create"] });
      const device = await disk.loop();
      await place.makeFileSystem("ext4", device);
      const files = await place.mountFileSystem("ext4", device);
      // Not synced: the unmount must bring it to the pool.
      await run("sh", ["-c", `echo kept > ${files}/a`]);
      const { serverPid, holderPid } = await disk.status();

      process.kill(holderPid, signal);
      const isGone = (): boolean => !existsSync(`/proc/${holderPid}`) && !existsSync(`/proc/${serverPid}`);
      await until(isGone, END_MS, "holder and server to end");
      expect([isMounted(files), isMounted(disk.directory)]).toEqual([false, false]);
      expect([place.isAttached(device), existsSync(controlSocket(disk.directory))]).toEqual([false, false]);
      await place.expectNothingLeft();

      await place.kmemfs(["check", pool]);
      const again = await place.mount({ pool });
      const other = await again.loop();
      await run("e2fsck", ["-fn", other]);
      await place.mountFileSystem("ext4", other);
      expect((await run("cat", [`${files}/a`])).stdout).toBe("kept\n");
    }));
}
