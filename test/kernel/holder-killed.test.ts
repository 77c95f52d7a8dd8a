/** The holder is killed: nothing hangs, and ordinary commands clean up what is left. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { someOf } from "../support/longForm.js";
import { isMounted, withDisk } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4"] });

const END_MS = 60_000;

for (const way of someOf(["kmemfs unmount", "umount"], 1)) {
  it(`${way} ends what is left`, () =>
    withDisk({ size: "64M" }, async (disk, place) => {
      const device = await disk.loop();
      await place.makeFileSystem("ext4", device);
      const files = await place.mountFileSystem("ext4", device);
      const { serverPid, holderPid } = await disk.status();
      process.kill(holderPid, "SIGKILL");
      await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
      // Whether it still works is not promised; that it ends is.
      await run("dd", ["if=/dev/zero", `of=${files}/a`, "bs=64k", "count=16", "conv=fsync"], { allowFail: true });

      const listed = await place.kmemfs(["status", "-J"]);
      expect(listed.stdout).not.toContain(disk.directory);
      await run("umount", [files], { timeoutMs: END_MS });
      await place.detach(device);
      if (way === "umount") await run("umount", [disk.directory], { allowFail: true, timeoutMs: END_MS });
      else if (isMounted(disk.directory)) await place.kmemfs(["unmount", disk.directory]);
      expect(isMounted(disk.directory)).toBe(false);
      await until(() => !existsSync(`/proc/${serverPid}`), END_MS, "the server to end");
      await place.expectNothingLeft();
      await place.mount({ size: "16M" });
    }));
}
