/** Server, holder or both are killed in direct mode under load: all that was acknowledged is in the pool, whichever way it is opened. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { signal } from "../support/killed.js";
import { someOf } from "../support/longForm.js";
import { withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, kernel: "6.9", commands: ["fio", "xfs_io"] });

const MIB = 2 ** 20;
const END_MS = 60_000;
const JOB = ["--name=verify", "--rw=randwrite", "--bs=4k", "--size=8m", "--ioengine=psync", "--direct=0"];
const VERIFY = [...JOB, "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--randseed=4711"];

const cases = [
  { killed: "the server", where: "tmpfs" },
  { killed: "both", where: "disk" },
  { killed: "the holder", where: "disk" },
] as const;

for (const { killed, where } of someOf(cases, 2)) {
  it(`${killed}, the pool on ${where}`, () =>
    withPlace(async (place) => {
      const parent = where === "tmpfs" ? await place.tmpfs("128M") : place.makeDirectory("srv");
      const pool = `${parent}/pool`;
      await place.kmemfs(["format", pool, "--split", "--size", "24M", "--max-size", "32M"]);
      const disk = await place.mount({ pool, args: ["--io", "direct", "--restarts", "0"] });
      await disk.io("pwrite -q -S 0x41 -b 1m 16m 4m", "fpunch 17m 1m");
      const { serverPid, holderPid } = await disk.status();
      // Written once at half speed, so that the kill comes in the middle; what it wrote is verified below.
      const args = [...VERIFY, "--do_verify=0", "--rate=8m", `--filename=${disk.file}`];
      const load = start("fio", args, { cwd: "/" });
      place.cleanup.add("fio", () => load.stop());
      const isWritten = async (): Promise<boolean> => (await disk.stat()).allocatedBytes > 4 * MIB;
      await until(isWritten, END_MS, "fio to write");
      const victims = { "the server": [serverPid], "the holder": [holderPid], both: [holderPid, serverPid] }[killed];
      // A server that runs would see its holder die, and close the pool.
      if (killed === "both") signal(serverPid, "SIGSTOP");
      for (const pid of victims) signal(pid, "SIGKILL");
      // The kernel goes on with what is open: no write fails.
      expect(await load.exited, load.stderr()).toBe(0);
      const isGone = (): boolean => ![serverPid, holderPid].some((pid) => existsSync(`/proc/${pid}`));
      if (killed !== "the server") await place.kmemfs(["unmount", disk.directory]);
      await until(isGone, END_MS, "both to end");

      const { stdout } = await place.kmemfs(["check", pool]);
      // A server whose holder is gone closes the pool.
      expect(stdout).toMatch(killed === "the holder" ? /: clean, .*no errors/ : /: direct, .*no errors/);
      for (const io of ["direct", "served"] as const) {
        const copy = `${parent}/${io}`;
        await run("cp", ["-r", "--sparse=always", pool, copy]);
        const again = await place.mount({ pool: copy, args: ["--io", io] });
        await run("fio", [...VERIFY, "--verify_only", `--filename=${again.file}`], { cwd: "/" });
        expect(await again.io("seek -a -r 8m")).toBe(
          `Whence\tResult\nHOLE\t${8 * MIB}\nDATA\t${16 * MIB}\nHOLE\t${17 * MIB}\nDATA\t${18 * MIB}\nHOLE\t${20 * MIB}\n`,
        );
        expect(await again.stat()).toMatchObject({ sizeBytes: 24 * MIB });
        if (where === "tmpfs") expect((await again.expectAccount()).usedBytes).toBe(11 * MIB);
        await again.unmount();
        expect((await place.kmemfs(["check", copy])).stdout).toMatch(/: clean, .*no errors/);
      }
    }));
}

it("a pool that was cut off is shown read-only in direct mode, and served only where it may be written", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("64M")}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "16M", "--max-size", "32M"]);
    const disk = await place.mount({ pool, args: ["--io", "direct", "--restarts", "0"] });
    await disk.io("pwrite -q -S 0x41 -b 1m 4m 4m");
    const sum = await disk.sum();
    const { serverPid, holderPid } = await disk.status();
    signal(serverPid, "SIGKILL");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    const { stdout } = await run("sh", ["-c", `cat ${pool}/* | sha256sum`]);

    const directory = place.makeDirectory("other");
    const served = await place.refused(["mount", pool, directory, "--read-only", "--io", "served"]);
    expect([served.status, served.stderr]).toEqual([1, expect.stringMatching(/index.*\(EROFS\)\ntry: /)]);
    const reader = await place.mount({ pool, args: ["--read-only", "--io", "direct"] });
    expect(await reader.sum()).toBe(sum);
    await reader.unmount();
    expect((await run("sh", ["-c", `cat ${pool}/* | sha256sum`])).stdout).toBe(stdout);

    // What was written past the end just before must not be read: nobody may cut it off here.
    await run("xfs_io", ["-c", "pwrite -q -S 0x42 16m 64k", `${pool}/data`]);
    const longer = await place.refused(["mount", pool, directory, "--read-only", "--io", "direct"]);
    expect([longer.status, longer.stderr]).toEqual([1, expect.stringMatching(/read-only.*\(EOPNOTSUPP\)\ntry: /)]);
    const again = await place.mount({ pool, args: ["--io", "direct"] });
    expect(await again.sum()).toBe(sum);
    await again.io("truncate 32m");
    await run("cmp", ["-n", `${16 * MIB}`, "-i", `${16 * MIB}:0`, again.file, "/dev/zero"]);
    expect((await again.expectAccount()).usedBytes).toBe(4 * MIB);
  }));
