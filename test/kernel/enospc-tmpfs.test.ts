/** The tmpfs under the pool is full before the pool is: ENOSPC, nothing lost, and room again helps. */
import { expect } from "vitest";
import { bytesOf, compareLedger, writeWithLedger } from "../support/ledger.js";
import { someOf } from "../support/longForm.js";
import { withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["xfs_io", "blkdiscard"] });

const MIB = 2 ** 20;

for (const kind of someOf(["a directory", "a file"], 1)) {
  it(`a pool that is ${kind}`, () =>
    withPlace(async (place) => {
      const tmpfs = await place.tmpfs("64M");
      const pool = `${tmpfs}/pool`;
      await place.kmemfs(["format", pool, "--size", "128M", ...(kind === "a directory" ? ["--split"] : [])]);
      const disk = await place.mount({ pool });
      const { serverPid } = await disk.status();
      const filler = `${tmpfs}/filler`;
      await run("fallocate", ["-l", "16M", filler]);

      const first = await writeWithLedger(disk.file, { count: 80, length: MIB });
      expect(first.errors).toEqual(["pwrite: No space left on device"]);
      expect(bytesOf(first.acknowledged)).toBeGreaterThan(44 * MIB);
      await compareLedger(disk.file, first.acknowledged);
      await disk.expectAccount();

      await run("rm", [filler]);
      const start = 90 * MIB;
      const second = await writeWithLedger(disk.file, { count: 12, length: MIB, start }, 50);
      expect(second).toMatchObject({ errors: [], acknowledged: { length: 12 } });

      const device = await disk.loop();
      await run("blkdiscard", ["-o", "0", "-l", `${16 * MIB}`, device]);
      const third = await writeWithLedger(device, { count: 12, length: MIB, start: 110 * MIB }, 70);
      expect(third).toMatchObject({ errors: [], acknowledged: { length: 12 } });
      const kept = [...first.acknowledged.slice(16), ...second.acknowledged, ...third.acknowledged];
      await compareLedger(device, kept);
      expect((await disk.expectAccount()).serverPid).toBe(serverPid);

      await place.detach(device);
      await disk.unmount();
      await place.kmemfs(["check", pool]);
      const again = await place.mount({ pool });
      await compareLedger(again.file, kept);
    }));
}

it("formatting fully where there is no room fails and leaves nothing", () =>
  withPlace(async (place) => {
    const tmpfs = await place.tmpfs("16M");
    for (const split of [[], ["--split"]]) {
      const args = ["format", `${tmpfs}/pool`, "--size", "64M", "--full", ...split];
      const { status, stderr } = await place.refused(args);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/^kmemfs: .*\(ENOSPC\)\n/)]);
      expect((await run("ls", ["-A", tmpfs])).stdout).toBe("");
    }
  }));
