/** --numa-node: the pool's memory is bound to a node, whoever takes it, and `status` names the node. */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { memoryNodes } from "../../src/linux/proc/numaNodes.js";
import { type Disk, statusOf } from "../support/disk.js";
import { killBoth } from "../support/killed.js";
import { ManagedMount } from "../support/managedMount.js";
import { withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { expectRefused } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it, longIt } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["xfs_io", "mkfs.ext4"],
  files: ["/proc/self/numa_maps"],
});

const [NODE] = memoryNodes();
const NONE = Math.max(...memoryNodes()) + 1;
const BOUND = ["--numa-node", String(NODE)];
const isMachineOfOne = memoryNodes().length === 1;

/** The policies that the server's mappings of the pool's files have, by file. */
function policies(serverPid: number | null, files: readonly string[]): Record<string, string> {
  const lines = readFileSync(`/proc/${serverPid}/numa_maps`, "utf8").split("\n");
  const found = files.map((file) => {
    const seen = new Set(lines.filter((line) => line.includes(` file=${file}`)).map((line) => line.split(" ")[1]));
    return [file, [...seen].join()] as const;
  });
  return Object.fromEntries(found);
}

/** Writes, and sees that status, the server's mappings and the account say what they must. */
async function expectBound(disk: Disk, files: readonly string[], node = NODE): Promise<void> {
  await disk.io("pwrite -q -b 1m 0 8m", "pread -q -b 1m 0 8m", "fpunch 1m 1m");
  const status = await disk.expectAccount();
  expect(status.pool.numaNode).toBe(node);
  expect(policies(status.serverPid, files)).toEqual(Object.fromEntries(files.map((file) => [file, `bind:${node}`])));
  const { stdout } = await disk.place.kmemfs(["status", disk.directory]);
  expect(stdout).toContain(`\nmemory on NUMA node ${node}\n`);
}

it("a private tmpfs: both files, also when another server follows", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "64M", args: BOUND });
    expect((await disk.status()).io).toBe(testedIo);
    await expectBound(disk, ["/meta", "/data"]);
    await place.kmemfs(["restart", disk.directory]);
    await expectBound(disk, ["/meta", "/data"]);
  }));

longIt("a memfd", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ pool: "memfd", size: "64M", args: ["-o", `numa-node=${NODE}`] });
    await expectBound(disk, ["/memfd:kmemfs\\040(deleted)"]);
  }),
);

it("a file and a directory on a tmpfs, new and not, stay bound; the directory is served", () =>
  withPlace(async (place) => {
    const tmpfs = await place.tmpfs("256M");
    const file = `${tmpfs}/file`;
    const first = await place.mount({ pool: file, size: "32M", args: ["--create", ...BOUND] });
    await expectBound(first, [file]);
    await first.unmount();
    const again = await place.mount({ pool: file });
    await expectBound(again, [file]);
    await again.unmount();

    const directory = `${tmpfs}/directory`;
    await place.kmemfs(["format", directory, "--size", "32M", "--split"]);
    const free = await place.mount({ pool: directory });
    await free.io("pwrite -q -S 0x77 -b 1m 16m 8m");
    const sum = await free.sum(16 * 2 ** 20);
    const { io, pool } = await free.status();
    expect([io, pool.numaNode]).toEqual([testedIo, isMachineOfOne ? NODE : null]);
    await free.unmount();
    const bound = await place.mount({ pool: directory, args: BOUND });
    await expectBound(bound, [`${directory}/meta`, `${directory}/data`]);
    expect(await bound.sum(16 * 2 ** 20)).toBe(sum);
    const status = await bound.status();
    expect(status.io).toBe("served");
    if (testedIo === "direct") expect(status.ioReason).toMatch(/bound to a NUMA node/);
  }));

it("the binding outlives the holder, with its fds", () =>
  withPlace(async (place) => {
    const mount = new ManagedMount(place, ["tmpfs", "--size", "64M", ...BOUND]);
    await mount.start();
    await expectBound(mount.disk, ["/meta", "/data"]);
    await mount.killHolder();
    await mount.start();
    await expectBound(mount.disk, ["/meta", "/data"]);
    await mount.disk.unmount();
  }));

it("a disk of up, and after recover --up", () =>
  withPlace(async (place) => {
    const tmpfs = await place.tmpfs("256M");
    const pool = `${tmpfs}/pool`;
    const files = place.makeDirectory("files");
    place.cleanup.add(files, async () => void (await place.kmemfs(["down", files], { allowFail: true })));
    await place.kmemfs(["up", files, "--pool", pool, "--create", "--size", "64M", ...BOUND], { timeoutMs: 60_000 });
    const status = await statusOf(files);
    expect(policies(status.serverPid, [pool])).toEqual({ [pool]: `bind:${NODE}` });
    await killBoth(status);
    await place.kmemfs(["recover", files, "--up"], { timeoutMs: 60_000 });
    const back = await statusOf(files);
    expect([back.pool.numaNode, policies(back.serverPid, [pool])]).toEqual([NODE, { [pool]: `bind:${NODE}` }]);
    const record = readFileSync(await recordOf(back.mountpoint), "utf8");
    expect(JSON.parse(record)).toMatchObject({ numaNode: NODE, mountpoint: files });
    await place.kmemfs(["down", files]);
  }));

it("refusals: no such node, a pool whose memory is where it is, read-only, no number", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("d");
    const pool = place.path("pool");
    const node = (number: number | string): string[] => ["--numa-node", String(number)];
    const size = ["--size", "16M"];
    const noSuch = { cause: /--numa-node \d+: this machine has no such NUMA node \(EINVAL\)/, cure: /has memory: 0/ };
    await expectRefused(place, { args: ["mount", directory, ...size, ...node(NONE)], ...noSuch });
    await expectRefused(place, { args: ["mount", "memfd", directory, ...size, ...node(NONE)], ...noSuch });
    await expectRefused(place, { args: ["up", directory, ...size, ...node(NONE)], ...noSuch });
    await expectRefused(place, { args: ["mount", pool, directory, ...size, "--create", ...node(NONE)], ...noSuch });
    const onDisk = { cause: /pool is on a disk: its memory cannot be moved \(EOPNOTSUPP\)/, cure: /omit it/ };
    await expectRefused(place, { args: ["mount", pool, directory, ...size, "--create", ...node(NODE)], ...onDisk });
    expect(existsSync(pool)).toBe(false);
    await place.kmemfs(["format", pool, ...size]);
    await expectRefused(place, { args: ["mount", pool, directory, ...node(NODE)], ...onDisk });
    const usage = { code: 2, cause: /numa-node/ };
    await expectRefused(place, { args: ["mount", pool, directory, "--read-only", ...node(NODE)], ...usage });
    for (const text of ["x", "-1", ""]) {
      await expectRefused(place, { args: ["mount", directory, ...size, `--numa-node=${text}`], ...usage });
    }
    const disk = await place.mount({ pool, name: "unbound" });
    expect((await disk.status()).pool.numaNode).toBe(isMachineOfOne ? NODE : null);
  }));

/** The file with the options of a mount. */
async function recordOf(mountpoint: string): Promise<string> {
  const { stdout } = await run("grep", [
    "-ls",
    `"mountpoint":"${mountpoint}"`,
    "-r",
    "/run/kmemfs",
    "--include=*.json",
  ]);
  return stdout.trim();
}
