/** doctor: one line for each thing, the cure where one is due, exit code 1 for a problem, and no hanging. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Check } from "../../src/doctor/finding.js";
import { killBoth, signal } from "../support/killed.js";
import { type Place, withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkswap"] });

interface Answer {
  readonly status: number;
  /** The disk's checks by name. */
  readonly of: (name: string) => Check | undefined;
  readonly checks: readonly Check[];
}

async function doctor(place: Place, directory: string): Promise<Answer> {
  const { status, stdout } = await place.refused(["doctor", directory, "-J"]);
  const { checks } = JSON.parse(stdout) as { checks: Check[] };
  const own = checks.filter((check) => check.mountpoint === directory);
  return { status, checks, of: (name) => own.find((check) => check.name === name) };
}

/** The task flags that prctl(PR_SET_IO_FLUSHER) sets, of all threads. */
function allFlush(pid: number): boolean {
  const flags = readdirSync(`/proc/${pid}/task`).map((tid) =>
    Number(readFileSync(`/proc/${pid}/task/${tid}/stat`, "utf8").split(") ")[1]?.split(" ")[6]),
  );
  return flags.every((flag) => (flag & 0x180000) === 0x180000);
}

it("a disk as it should be has no problem, and what the machine refused is a warning", () =>
  withDisk({ size: "32M" }, async (disk, place) => {
    await disk.loop(["--sector-size", "4096"]);
    const { serverPid, holderPid } = await disk.status();
    const { status, of, checks } = await doctor(place, disk.directory);
    expect(status).toBe(0);
    for (const name of ["answers", "server", "locked", "loop-device", "own-swap", "own-log", "nofile-server"]) {
      expect(of(name), name).toMatchObject({ state: "ok", found: expect.any(String) });
      expect(of(name)).not.toHaveProperty("cure");
    }
    for (const [role, pid] of [
      ["server", serverPid ?? 0],
      ["holder", holderPid],
    ] as const) {
      const flusher = of(`io-flusher-${role}`);
      expect(flusher?.state).toBe(allFlush(pid) ? "ok" : "warning");
      if (flusher?.state === "warning") expect(flusher.cure).toMatch(/systemd unit.*SYS_RESOURCE/);
    }
    for (const name of ["kernel", "fuse", "loop", "sys-admin", "memlock", "swap"]) {
      expect(checks.find((check) => check.name === name && check.mountpoint === undefined)?.state, name).toBe("ok");
    }

    const human = await place.kmemfs(["doctor", disk.directory]);
    expect(human.stdout).toMatch(/^(ok {4}|WARN {2})kernel {2,}\S/);
    expect(human.stdout).toContain(`\n${disk.directory}:\nok    answers`);
    const lines = human.stdout.trimEnd().split("\n");
    for (const [i, line] of lines.entries()) {
      expect(/^ {6}try: /.test(lines[i + 1] ?? ""), line).toBe(/^(WARN|FAIL) /.test(line));
    }
  }));

it("a buffered loop device with small sectors is a warning", () =>
  withDisk({ size: "32M" }, async (disk, place) => {
    const { stdout } = await run("losetup", ["--find", "--show", disk.file]);
    const device = stdout.trim();
    place.cleanup.add(device, () => place.detach(device));
    const { status, of } = await doctor(place, disk.directory);
    expect(status).toBe(0);
    expect(of("loop-device")).toMatchObject({ state: "warning", cure: `losetup --direct-io=on ${device}` });
  }));

it("swap on the disk itself is a problem, and the next mount warns of it", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const device = await disk.loop();
    await run("mkswap", [device]);
    place.cleanup.add("swap", () => run("swapoff", [device], { allowFail: true }));
    await run("swapon", [device]);
    const { status, of } = await doctor(place, disk.directory);
    expect(status).toBe(1);
    expect(of("own-swap")).toMatchObject({ state: "problem", cure: `swapoff ${device}` });
    const other = place.makeDirectory("other");
    place.endsWithUs(other);
    const mounted = await place.kmemfs(["mount", other, "--size", "16M"]);
    expect(mounted.stderr).toBe(
      `kmemfs: warning: the swap area ${device} is on the disk ${disk.directory}\ntry: swapoff ${device}\n`,
    );
  }));

it("a disk whose server hangs is a problem, told in time", () =>
  // Nobody replaces the server meanwhile.
  withDisk({ size: "16M", args: ["--watchdog", "0"] }, async (disk, place) => {
    const server = (await disk.status()).serverPid ?? 0;
    signal(server, "SIGSTOP");
    place.cleanup.add("the server", () => void (existsSync(`/proc/${server}`) && signal(server, "SIGCONT")));
    const { status, of } = await doctor(place, disk.directory);
    expect([status, of("answers")?.state]).toEqual([1, "problem"]);
    expect(of("answers")?.cure).toContain("kmemfs unmount --force");
  }));

it("a dead disk is a problem, and recover the cure", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    await killBoth(await disk.status());
    const { status, of } = await doctor(place, disk.directory);
    expect(status).toBe(1);
    expect(of("dead")).toMatchObject({ state: "problem", cure: `kmemfs recover ${disk.directory}` });
    await place.kmemfs(["recover", disk.directory]);
    const gone = await place.refused(["doctor", disk.directory]);
    expect([gone.status, gone.stderr]).toEqual([1, expect.stringMatching(/not a kmemfs disk \(ENOENT\)/)]);
  }));
