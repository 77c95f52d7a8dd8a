/** A pool is open in one mount at a time; who has it is named. */
import { expect } from "vitest";
import { withPlace } from "../support/place.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true });

for (const split of [false, true]) {
  it(`a second mount, a format and a check of ${split ? "a directory" : "a file"} in use are refused with the pid`, () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      await place.kmemfs(["format", pool, "--size", "16M", ...(split ? ["--split"] : [])]);
      const disk = await place.mount({ pool });
      await disk.io("pwrite -q -S 0x41 1m 1m");
      const { holderPid, serverPid } = await disk.status();
      const other = place.makeDirectory("other");
      const commands: readonly (readonly [string[], number])[] = [
        [["mount", pool, other], 1],
        [["mount", pool, other, "--read-only"], 1],
        [["format", pool, "--size", "16M", "--force"], 1],
        [["check", pool], 8],
      ];
      for (const [args, code] of commands) {
        const { status, stderr } = await place.refused(args);
        const [line = "", cure = ""] = stderr.split("\n");
        expect([status, line], args.join(" ")).toEqual([
          code,
          expect.stringMatching(/in use by process \d+ .*\(EBUSY\)$/),
        ]);
        expect([holderPid, serverPid]).toContain(Number(/process (\d+)/.exec(line)?.[1]));
        expect(cure).toMatch(/^try: /);
      }
      const sum = await disk.sum();
      await disk.unmount();
      const again = await place.mount({ pool, name: "other" });
      expect(await again.sum()).toBe(sum);
    }));
}
