/** Where direct mode cannot be: --io direct says why in one line and what would help, auto takes served and tells. */
import { chownSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { someOf } from "../support/longForm.js";
import { withPlace } from "../support/place.js";
import { kmemfsProgram } from "../support/project.js";
import { expectRefusal, expectRefused } from "../support/refusal.js";
import { requires } from "../support/requires.js";
import { USER, userPlace } from "../support/userPlace.js";

const needs = { root: true, fuse: true, kernel: "6.9" } as const;
const { it } = requires(needs);
const asUser = requires({ ...needs, commands: ["fusermount3", "setpriv", "unshare", "nsenter"] });

const cases = [
  {
    name: "a memfd",
    pool: "memfd",
    format: [],
    mount: ["--size", "16M"],
    reason: /the pool is a memfd/,
    cure: /pool tmpfs/,
  },
  { name: "a file", format: ["--size", "16M"], mount: [], reason: /the pool is one file/, cure: /format --split/ },
  {
    name: "a thin pool",
    format: ["--split", "--size", "64M", "--pool-size", "16M"],
    mount: [],
    reason: /the pool is thin/,
    cure: /as large as --max-size/,
  },
  {
    name: "a thin private pool",
    pool: "tmpfs",
    format: [],
    mount: ["--size", "64M", "--pool-size", "16M"],
    reason: /the pool is thin/,
    cure: /as large as --max-size/,
  },
  {
    name: "a smaller disk than its pool, read-only",
    format: ["--split", "--size", "16M", "--max-size", "32M"],
    mount: ["--read-only"],
    reason: /read-only/,
    cure: /omit --read-only/,
  },
] as const;

for (const each of someOf(cases, 3)) {
  it(each.name, () =>
    withPlace(async (place) => {
      const pool = "pool" in each ? each.pool : place.path("pool");
      if (each.format.length > 0) await place.kmemfs(["format", pool, ...each.format]);
      const directory = place.makeDirectory("disk");
      const args = ["mount", pool, directory, ...each.mount];
      await expectRefused(place, { args: [...args, "--io", "direct"], cause: each.reason, cure: each.cure });
      await place.kmemfs([...args, "--io", "auto"]);
      place.endsWithUs(directory);
      expect(await statusOf(directory)).toMatchObject({
        io: "served",
        ioReason: expect.stringMatching(each.reason),
      });
    }),
  );
}

asUser.it("a user without root", () =>
  withPlace(async (place) => {
    const { directory, user } = await userPlace(place);
    const kmemfs = (...args: string[]) => user([process.execPath, kmemfsProgram, ...args], { allowFail: true });
    const pool = place.makeDirectory("pools");
    chownSync(pool, USER, USER);
    expect((await kmemfs("format", `${pool}/pool`, "--split", "--size", "16M")).status).toBe(0);
    const args = ["mount", `${pool}/pool`, directory];
    expectRefusal(await kmemfs(...args, "--io", "direct"), { cause: /CAP_SYS_ADMIN.*\(EOPNOTSUPP\)/, cure: /as root/ });
    expect((await user(["ls", "-A", directory])).stdout).toBe("");
    expect(await kmemfs(...args)).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(/served\n$/) });
    const { stdout } = await kmemfs("status", directory, "-J");
    expect(JSON.parse(stdout).mounts[0]).toMatchObject({ io: "served", ioReason: "it needs CAP_SYS_ADMIN" });
    await kmemfs("unmount", directory);
  }),
);
