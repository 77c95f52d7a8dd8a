/** A holder that is stopped, frozen or silent costs only commands about its own disk. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { expectNoLonger, msOf } from "../support/noLonger.js";
import { type Place, withPlace } from "../support/place.js";
import { type RunResult, start, until } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["losetup", "mkfs.ext4", "fstrim"] });
const FREEZER = "/sys/fs/cgroup/freezer";
const { it: itFreezes } = requires({ root: true, fuse: true, files: [`${FREEZER}/cgroup.procs`] });

/** A command that waits for a silent holder takes longer than that every time; the machine's other load comes and goes. */
const MOST = 4;
/** Runs of a command that shows others before it ends to wait for the silent one. */
const TRIES = 6;
const ROUNDS = 2;
const ROUNDS_OF_CHANGES = 4;
/** A little less than a command waits for a holder's answer. */
const WAIT_MS = 4_500;

interface Statuses {
  readonly mounts: readonly { readonly mountpoint: string }[];
  readonly silent: readonly {
    readonly mountpoint: string | null;
    readonly holderPid: number;
    readonly state: string;
  }[];
}

function stateOf(pid: number): string {
  return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";
}

/** Stops the holder of `disk`; goes on at the end of the place, before the disk is unmounted. @returns its pid */
async function stopHolder(place: Place, disk: Disk): Promise<number> {
  const { holderPid } = await disk.status();
  process.kill(holderPid, "SIGSTOP");
  place.cleanup.add("the stopped holder", () => process.kill(holderPid, "SIGCONT"));
  await until(() => stateOf(holderPid) === "T", 60_000, "the holder to stop");
  return holderPid;
}

/** The least time of a few runs, ms. */
async function leastMs(act: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) least = Math.min(least, await msOf(act));
  return least;
}

/** Less than one wait for a holder more than while none is silent, and less than several times as long. */
const mostMs = (calmMs: number): number => Math.min(MOST * calmMs, calmMs + WAIT_MS);

const expectNoWait = (what: string, calmMs: number, act: () => Promise<unknown>): Promise<void> =>
  expectNoLonger(what, { times: mostMs(calmMs) / calmMs, calmMs }, act);

async function statuses(place: Place): Promise<Statuses & RunResult> {
  const result = await place.refused(["status", "-J"]);
  return { ...result, ...(JSON.parse(result.stdout) as Statuses) };
}

it("status shows the others, names the stopped one with its pid and the cure, and takes no longer", () =>
  withPlace(async (place) => {
    const [disk, other] = [await place.mount({ size: "16M" }), await place.mount({ size: "16M", name: "other" })];
    const withoutMs = await leastMs(() => place.kmemfs(["status"]));
    const pid = await stopHolder(place, disk);
    let result: RunResult | undefined;
    await expectNoWait("status", withoutMs, async () => {
      result = await place.refused(["status"]);
    });
    expect(result?.status).toBe(1);
    expect(result?.stdout).toContain(`${other.directory} `);
    const named = `kmemfs: ${disk.directory}: its holder, process ${pid}, is stopped (EAGAIN)\ntry: kill -CONT ${pid}\n`;
    expect(result?.stderr).toBe(named);
    const { mounts, silent, status } = await statuses(place);
    expect(mounts.map(({ mountpoint }) => mountpoint)).toContain(other.directory);
    expect(silent).toEqual([{ mountpoint: disk.directory, holderPid: pid, state: "stopped" }]);
    expect(status).toBe(1);
    expect(stateOf(pid)).toBe("T");
  }));

it("commands about another disk do not wait for it, nor those about its own", () =>
  withPlace(async (place) => {
    const [disk, other] = [await place.mount({ size: "16M" }), await place.mount({ size: "16M", name: "other" })];
    const files = place.makeDirectory("files");
    place.cleanup.add(files, () => place.refused(["down", files]));
    await place.kmemfs(["up", files, "--size", "64M"]);
    const third = place.makeDirectory("third");
    place.endsWithUs(third);
    const changes = [
      ["mount", third, "--size", "16M"],
      ["unmount", third],
      ["down", files],
      ["up", files, "--size", "64M"],
    ];
    const changesMs: number[] = [];
    for (const args of changes) changesMs.push(await msOf(() => place.kmemfs(args)));
    const calm = [
      ["trim", files],
      ["doctor", other.directory],
      ["recover", other.directory],
      ["restart", files],
    ];
    const withoutMs: number[] = [];
    for (const args of calm) withoutMs.push(await leastMs(() => place.refused(args)));
    const pid = await stopHolder(place, disk);
    for (const [i, args] of calm.entries()) {
      await expectNoWait(args.join(" "), withoutMs[i] ?? 0, () => place.refused(args));
    }
    const own = [
      ["status", disk.directory],
      ["down", disk.directory],
      ["unmount", disk.directory],
      ["up", disk.directory],
      ["recover", disk.directory],
    ];
    for (const args of own) {
      await expectNoWait(args.join(" "), withoutMs[1] ?? 0, async () => {
        const { status, stderr } = await place.refused(args);
        expect(status, args.join(" ")).toBe(1);
        expect(stderr).toContain(`its holder, process ${pid}, is stopped (EAGAIN)\ntry: kill -CONT ${pid}\n`);
      });
    }
    const doctor = await place.refused(["doctor"]);
    expect(doctor.stdout).toContain(`process ${pid}, is stopped (EAGAIN)\n      try: kill -CONT ${pid}\n`);
    // Each undoes the one before it: all of them again, until each was fast once.
    const slow = new Set(changes.keys());
    for (let round = 0; round < ROUNDS_OF_CHANGES && slow.size > 0; round++) {
      for (const [i, args] of changes.entries()) {
        if ((await msOf(() => place.kmemfs(args))) < mostMs(changesMs[i] ?? 0)) slow.delete(i);
      }
    }
    expect([...slow].map((i) => changes[i]?.[0])).toEqual([]);
    expect(stateOf(pid)).toBe("T");
    process.kill(pid, "SIGCONT");
    expect((await disk.status()).holderPid).toBe(pid);
  }));

it("one that does not answer for another reason is waited for last", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "16M" });
    const socket = "/run/kmemfs/ffffffffffffffff.sock";
    let asked = 0;
    let ended = 0;
    const silent = createServer((connection) => {
      asked++;
      connection.on("error", () => {}).on("close", () => ended++);
      connection.resume();
    });
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    place.cleanup.add("the silent socket", () => silent.close());
    /** True when the other disk was shown while the silent one was waited for. */
    const showsFirst = async (): Promise<boolean> => {
      asked = 0;
      ended = 0;
      const status = start(process.execPath, [kmemfsProgram, "status"]);
      place.cleanup.add("status", () => status.stop());
      await status.waitFor(new RegExp(disk.directory));
      const waits = ended === 0;
      expect(await status.exited).toBe(1);
      expect(status.stderr()).toBe(`kmemfs: ${socket}: its holder does not answer (ETIMEDOUT)\n`);
      expect(asked).toBe(1);
      return waits;
    };
    let tries = 1;
    // We may learn of both at once, on a machine with much else to do.
    while (!(await showsFirst())) expect(tries++, "the other disk is shown last each time").toBeLessThan(TRIES);
  }));

itFreezes("a holder in a frozen cgroup, as of a paused container, is known by it, and thawed by what is said", () =>
  withPlace(async (place) => {
    const [disk, other] = [await place.mount({ size: "16M" }), await place.mount({ size: "16M", name: "other" })];
    const { holderPid, serverPid } = await disk.status();
    const cgroup = `${FREEZER}/kmemfs-test-${process.pid}`;
    mkdirSync(cgroup);
    place.cleanup.add(cgroup, () => rmdirSync(cgroup));
    place.cleanup.add("the processes in the cgroup", async () => {
      for (const pid of readFileSync(`${cgroup}/cgroup.procs`, "utf8").split("\n").filter(Boolean)) {
        if (existsSync(`/proc/${pid}`)) writeFileSync(`${FREEZER}/cgroup.procs`, pid);
      }
    });
    for (const pid of [holderPid, serverPid]) writeFileSync(`${cgroup}/cgroup.procs`, String(pid));
    const withoutMs = await leastMs(() => place.kmemfs(["status"]));
    const doctorMs = await leastMs(() => place.refused(["doctor", other.directory]));
    const recoverMs = await leastMs(() => place.refused(["recover", other.directory]));
    writeFileSync(`${cgroup}/freezer.state`, "FROZEN");
    place.cleanup.add("the frozen cgroup", () => writeFileSync(`${cgroup}/freezer.state`, "THAWED"));
    await until(() => readFileSync(`${cgroup}/freezer.state`, "utf8") === "FROZEN\n", 60_000, "the cgroup to freeze");
    await expectNoWait("status", withoutMs, () => place.refused(["status"]));
    // Their server stands still as well.
    await expectNoWait("doctor", doctorMs, () => place.refused(["doctor", other.directory]));
    await expectNoWait("recover", recoverMs, () => place.refused(["recover", other.directory]));
    const { silent, mounts, stderr } = await statuses(place);
    expect(mounts.map(({ mountpoint }) => mountpoint)).toContain(other.directory);
    expect(silent).toEqual([{ mountpoint: disk.directory, holderPid, state: "frozen" }]);
    expect(stderr).toContain(`is frozen with its cgroup (EAGAIN)\ntry: echo THAWED >${cgroup}/freezer.state; for a `);
    writeFileSync(`${cgroup}/freezer.state`, "THAWED");
    expect((await disk.status()).holderPid).toBe(holderPid);
  }),
);
