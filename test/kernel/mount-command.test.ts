/** mount returns when the disk is ready, in the background or in the foreground, and its end leaves nothing. */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { controlSocket, isMounted, withPlace } from "../support/place.js";
import { killGroup, run, stillRunning, until } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["xfs_io"] });

const END_MS = 60_000;

for (const words of [["mount"], []]) {
  it(`kmemfs ${[...words, "MOUNTPOINT"].join(" ")} is ready when it returns`, () =>
    withPlace(async (place) => {
      const directory = place.makeDirectory("disk");
      place.endsWithUs(directory);
      const { stdout, stderr } = await place.kmemfs([...words, directory, "--size", "16M"]);
      expect([stdout, stderr]).toEqual([`${directory}/disk: 16.0 MiB, pool tmpfs, ${testedIo}\n`, ""]);
      await run("dd", ["if=/dev/zero", `of=${directory}/disk`, "bs=4k", "count=1", "conv=notrunc", "status=none"]);
      expect((await run("ls", ["-A", directory])).stdout).toBe("disk\n");
      expect((await run("stat", ["-c", "%a %u %s", `${directory}/disk`])).stdout).toBe(`600 0 ${2 ** 24}\n`);
      const { holderPid, serverPid } = await statusOf(directory);
      await place.kmemfs(["unmount", directory]);
      // At once: the command waits for its processes.
      expect(stillRunning([holderPid, serverPid])).toEqual([]);
      expect([isMounted(directory), existsSync(controlSocket(directory))]).toEqual([false, false]);
      await place.expectNothingLeft();
    }));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  it(`-f stays in the foreground, logs to stderr and ends with ${signal}`, () =>
    withPlace(async (place) => {
      const { disk, process } = await place.mountInForeground({ size: "16M" });
      await disk.io("pwrite -q 0 1m");
      const { holderPid } = await disk.status();
      expect(holderPid).toBe(process.pid);
      // As a terminal does it: to the whole process group.
      killGroup(process.pid, signal);
      expect(await process.exited).toBe(0);
      expect(process.stderr()).toMatch(/"msg":"unmounted"/);
      await place.expectNothingLeft();
    }));
}

it("umount(8) ends a mount as well", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "16M" });
    const { holderPid } = await disk.status();
    await run("umount", [disk.directory]);
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    expect(existsSync(controlSocket(disk.directory))).toBe(false);
    await place.expectNothingLeft();
  }));

it("every option also as -o, and names with blanks and quotes", () =>
  withPlace(async (place) => {
    const disk = await place.mount({
      name: "a 'b' \"c\" d",
      args: ["-o", "size=16M,max-size=32M,ro,io=served,noatime"],
    });
    const status = await disk.status();
    expect(status).toMatchObject({ sizeBytes: 2 ** 24, maxSizeBytes: 2 ** 25, readOnly: true, io: "served" });
    const write = await run("xfs_io", ["-c", "pwrite 0 4k", disk.file], { allowFail: true });
    expect([write.status, write.stderr]).toEqual([1, expect.stringMatching(/Read-only file system/)]);
    await disk.unmount();
    await place.expectNothingLeft();
  }));

/** What /proc has of a process as a list of words. */
const wordsOf = (pid: string, name: "environ" | "cmdline"): string[] =>
  readFileSync(`/proc/${pid}/${name}`, "utf8").split("\0");

it("holder, server and spare get no options for Node but those of --debug, and no certificates", () =>
  withPlace(async (place) => {
    const env = { NODE_EXTRA_CA_CERTS: "/nonexistent", NODE_OPTIONS: "--no-deprecation", KMEMFS_TEST_KEPT: "1" };
    for (const [name, args] of [
      ["plain", []],
      ["debug", ["--debug"]],
    ] as const) {
      const directory = place.makeDirectory(name);
      place.endsWithUs(directory);
      await place.kmemfs(["mount", directory, "--size", "16M", ...args], { env });
      const { holderPid } = await statusOf(directory);
      const children = async (): Promise<string[]> =>
        (await run("pgrep", ["-P", `${holderPid}`])).stdout.trimEnd().split("\n");
      await until(async () => (await children()).length === 2, END_MS, "the spare");
      for (const pid of [`${holderPid}`, ...(await children())]) {
        const names = wordsOf(pid, "environ").map((word) => word.split("=")[0]);
        expect(names).toContain("KMEMFS_TEST_KEPT");
        expect(names).not.toContain("NODE_EXTRA_CA_CERTS");
        expect(names).not.toContain("NODE_OPTIONS");
        // The holder has its title there; the others have it from the holder.
        if (pid === `${holderPid}`) continue;
        expect(wordsOf(pid, "cmdline").includes("--enable-source-maps")).toBe(name === "debug");
      }
    }
  }));
