/** --atomic-writes and --durable on real mounts. Names its ways. */
import { expect } from "vitest";
import { withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, kernel: "6.9", commands: ["fio", "xfs_io"] });

it("atomic writes are served, verified by fio, and a full disk can be overwritten", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("64M")}/pool`;
    const disk = await place.mount({ pool, size: "16M", args: ["--create", "--atomic-writes"] });
    expect(await disk.status()).toMatchObject({
      io: "served",
      ioReason: "atomic writes were requested",
      atomicWrites: true,
    });
    await disk.io("pwrite -q -S 0x11 -b 1m 0 16m");
    const job = ["--rw=randwrite", "--bs=512-64k", "--size=16m", "--verify=crc32c", "--numjobs=1", "--loops=2"];
    await run("fio", ["--name=a", `--filename=${disk.file}`, "--ioengine=psync", "--direct=1", ...job], {
      timeoutMs: 110_000,
      cwd: place.directory,
    });
    await disk.expectAccount();
    const sum = await disk.sum();
    await disk.unmount();
    await place.kmemfs(["check", pool]);
    expect(await (await place.mount({ pool, args: ["--atomic-writes"] })).sum()).toBe(sum);
  }));

it("atomic writes cannot be direct", () =>
  withPlace(async (place) => {
    const result = await place.refused(["mount", place.makeDirectory("d"), "--atomic-writes", "--io", "direct"]);
    expectRefusal(result, { cause: /atomic writes were requested/, cure: /atomic-writes/ });
  }));

it("--durable refuses memory, and takes a disk", () =>
  withPlace(async (place) => {
    const tmpfs = await place.tmpfs("64M");
    const cure = /a disk or a DAX device/;
    const cause = /is memory \((tmpfs|memfd)\) and does not survive a power cut \(EOPNOTSUPP\)/;
    const directory = place.makeDirectory("d");
    await run("touch", [`${tmpfs}/empty`]);
    await run("mkdir", [`${tmpfs}/directory`]);
    for (const args of [
      ["mount", directory, "--size", "8M", "--durable"],
      ["mount", "memfd", directory, "--size", "8M", "-o", "durable"],
      ["mount", `${tmpfs}/new`, directory, "--size", "8M", "--create", "--durable"],
      ["format", `${tmpfs}/file`, "--size", "8M", "--durable"],
      ["format", `${tmpfs}/split`, "--size", "8M", "--split", "--durable"],
      ["format", `${tmpfs}/empty`, "--size", "8M", "--durable"],
      ["format", `${tmpfs}/directory`, "--size", "8M", "--split", "--durable"],
    ]) {
      expectRefusal(await place.refused(args), { cause, cure });
    }
    // Nothing was made, and nothing was made longer.
    const left = await run("find", [tmpfs, "-mindepth", "1", "-printf", "%f %y %k\n"]);
    expect(left.stdout.split("\n").sort()).toEqual(["", "directory d 0", "empty f 0"]);
    const image = place.path("image");
    await run("truncate", ["-s", "64M", image]);
    await place.makeFileSystem("ext4", image);
    const device = await place.loop(image);
    const onDisk = `${await place.mountFileSystem("ext4", device)}/pool`;
    await place.kmemfs(["format", onDisk, "--size", "8M", "--durable"]);
    const disk = await place.mount({ pool: onDisk, args: ["--durable"] });
    expect((await disk.status()).pool.durable).toBe(true);
    await disk.unmount();
  }));
