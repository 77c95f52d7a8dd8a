/** What the doctor says of machines and mounts that were read: each finding by itself, the rest as it should be. */
import { describe, expect, it } from "vitest";
import { doctorLines } from "../../../src/cli/doctor.js";
import { lockedBytesNeeded } from "../../../src/daemon/session/exchange.js";
import type { Check } from "../../../src/doctor/finding.js";
import { checkKernel, checkMachine, type MachineReading } from "../../../src/doctor/machineChecks.js";
import { checkMount, type MountReading } from "../../../src/doctor/mountChecks.js";
import type { ProcessState } from "../../../src/linux/proc/taskState.js";
import type { MountStatus } from "../../../src/mounts/status.js";

const UNLIMITED = { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };

const MACHINE: MachineReading = {
  isRoot: true,
  release: "6.12.5-amd64",
  fuseError: null,
  loopControlError: null,
  loops: { attached: 1, free: 7, withoutNode: 0 },
  fusermount: { isSetuid: true },
  status: "CapEff:\t000001ffffffffff\n",
  limits: { memlockBytes: UNLIMITED, openFiles: { soft: 1024, hard: 4096 } },
  cpus: 2,
  swapAreas: [],
  sysctls: new Map([
    ["vm.overcommit_memory", 0],
    ["vm.swappiness", 60],
    ["vm.max_map_count", 65530],
    ["fs.fuse.max_pages_limit", 256],
    ["fs.fuse.max_request_timeout", 0],
  ]),
};

/** The checks that are not ok, as `STATE name`. */
const notOk = (checks: readonly Check[]): string[] =>
  checks.filter((check) => check.state !== "ok").map((check) => `${check.state} ${check.name}`);

describe("the kernel", () => {
  it.each([
    ["4.19.0-27", "problem", /too old/],
    ["4.20.0", "warning", /IO_FLUSHER.*MADV_POPULATE.*resend/],
    ["5.10.0-30-amd64", "warning", /^5\.10\.0-30-amd64 lacks MADV_POPULATE_WRITE .*passthrough/],
    ["6.1.0-18-amd64", "warning", /^6\.1\.0-18-amd64 lacks shared mappings [^;]*; passthrough and resend \(6\.9\)/],
    ["6.8.0", "warning", /^6\.8\.0 lacks passthrough and resend \(6\.9\)/],
    ["6.9.0", "ok", /has everything/],
    ["6.18.44", "ok", /has everything/],
    ["10.0.0", "ok", /has everything/],
  ])("%s: %s", (release, state, found) => {
    const check = checkKernel(release);
    expect(check.state).toBe(state);
    expect(check.found).toMatch(found);
    expect(check.cure === undefined).toBe(state === "ok");
  });
});

describe("the machine", () => {
  it("that has everything of it is well", () => {
    expect(notOk(checkMachine(MACHINE))).toEqual([]);
  });

  const without = (capabilities: string): string => `CapEff:\t${capabilities}\n`;
  it.each<[string, Partial<MachineReading>, string[]]>([
    ["no /dev/fuse", { fuseError: "ENOENT" }, ["problem fuse"]],
    ["no right to it", { fuseError: "EACCES" }, ["problem fuse"]],
    ["no loop devices", { loopControlError: "ENOENT" }, ["warning loop"]],
    ["no nodes", { loops: { attached: 1, free: 0, withoutNode: 3 } }, ["warning loop"]],
    ["none free, but more can be made", { loops: { attached: 8, free: 0, withoutNode: 0 } }, []],
    ["root without SYS_RESOURCE", { status: without("000001fffeffffff") }, ["warning sys-resource"]],
    ["root without SYS_ADMIN", { status: without("000001ffffdfffff") }, ["problem sys-admin"]],
    ["overcommit", { sysctls: new Map([["vm.overcommit_memory", 2]]) }, ["warning overcommit"]],
    ["few maps", { sysctls: new Map([["vm.max_map_count", 1000]]) }, ["warning maps"]],
    ["small requests", { sysctls: new Map([["fs.fuse.max_pages_limit", 32]]) }, ["warning request-size"]],
    ["requests in time", { sysctls: new Map([["fs.fuse.max_request_timeout", 30]]) }, ["warning request-time"]],
    ["swap", { swapAreas: ["/dev/sda2"] }, []],
    ["swap early", { swapAreas: ["/dev/sda2"], sysctls: new Map([["vm.swappiness", 100]]) }, ["warning swap"]],
    ["few files", { limits: { memlockBytes: UNLIMITED, openFiles: { soft: 64, hard: 64 } } }, ["warning nofile"]],
  ])("with %s", (_what, change, expected) => {
    const checks = checkMachine({ ...MACHINE, ...change });
    expect(notOk(checks)).toEqual(expected);
    for (const check of checks) expect(check.cure === undefined, check.name).toBe(check.state === "ok");
  });

  it("of a user lacks what only root has, and needs fusermount3", () => {
    const user = { ...MACHINE, isRoot: false, status: without("0000000000000000"), loopControlError: "EACCES" };
    expect(notOk(checkMachine(user))).toEqual(["warning sys-resource"]);
    expect(notOk(checkMachine({ ...user, fusermount: null }))).toContain("problem fusermount3");
    expect(notOk(checkMachine({ ...user, fusermount: { isSetuid: false } }))).toContain("problem fusermount3");
    const little = { soft: 65536, hard: 65536 };
    const limits = { memlockBytes: little, openFiles: UNLIMITED };
    expect(notOk(checkMachine({ ...user, limits }))).toContain("warning memlock");
    // With CAP_IPC_LOCK the limit does not count.
    expect(notOk(checkMachine({ ...MACHINE, limits }))).toEqual([]);
  });
});

const PROCESS: ProcessState = {
  pid: 7,
  ioFlusher: [true, true, true],
  oomScoreAdj: -1000,
  lockedBytes: lockedBytesNeeded(3),
  limits: { memlockBytes: UNLIMITED, openFiles: { soft: 1024, hard: 1024 } },
  openFiles: 30,
  channels: 3,
};

const STATUS = {
  mountpoint: "/mnt/x",
  file: "/mnt/x/disk",
  io: "served",
  pool: { kind: "tmpfs", path: null },
  damage: null,
  serverPid: 8,
  restarts: 0,
  refused: [],
} as unknown as MountStatus;

const MOUNT: MountReading = {
  status: STATUS,
  life: "alive",
  holder: PROCESS,
  server: PROCESS,
  loops: [{ path: "/dev/loop0", directIo: true, sectorBytes: 4096 }],
  otherPlaces: [],
  swapOnIt: [],
  stateOnIt: null,
};

describe("a mount", () => {
  const status = (change: Partial<MountStatus>): Partial<MountReading> => ({ status: { ...STATUS, ...change } });
  const server = (change: Partial<ProcessState>): Partial<MountReading> => ({ server: { ...PROCESS, ...change } });
  const loop = (change: Partial<MountReading["loops"][number]>): Partial<MountReading> => ({
    loops: [{ ...MOUNT.loops[0]!, ...change }],
  });
  const dax = { kind: "devdax", path: "/dev/dax0.0" } as MountStatus["pool"];

  it.each<[string, Partial<MountReading>, string[]]>([
    ["as it should be", {}, []],
    ["without an answer", { life: "silent" }, ["problem answers"]],
    ["that is dead", { life: "dead" }, ["problem answers"]],
    ["of somebody else", { life: "unseen" }, ["warning answers"]],
    ["without a server", { ...status({ serverPid: null }), server: null }, ["problem server"]],
    [
      "given up, without anything on it",
      { ...status({ serverPid: null, givenUp: "the server died" }), server: null, life: "unseen" },
      ["problem server"],
    ],
    ["restarted", status({ restarts: 2 }), ["warning server"]],
    ["damaged", status({ damage: "entry 7" }), ["problem damage"]],
    ["on DAX", status({ pool: dax }), []],
    ["on DAX without libpmem", status({ pool: dax, refused: ["PMEM: no"] }), ["warning libpmem"]],
    [
      "refused something",
      status({ refused: ["SIGBUS_GUARD: not available on riscv64", "IO_FLUSHER: EPERM"] }),
      ["warning refused"],
    ],
    ["one thread not IO_FLUSHER", server({ ioFlusher: [true, false, true] }), ["warning io-flusher-server"]],
    ["open to the OOM killer", server({ oomScoreAdj: 0 }), ["warning oom-server"]],
    ["nearly out of files", server({ openFiles: 1000 }), ["warning nofile-server"]],
    ["not locked", server({ lockedBytes: lockedBytesNeeded(1) - 4096 }), ["warning locked"]],
    ["buffered", loop({ directIo: false }), ["warning loop-device"]],
    ["with small sectors", loop({ sectorBytes: 512 }), ["warning loop-device"]],
    ["with swap on it", { swapOnIt: ["/dev/loop0"] }, ["problem own-swap"]],
    ["with its log on it", { stateOnIt: "/mnt/files/kmemfs.log" }, ["problem own-log"]],
  ])("%s", (_what, change, expected) => {
    const checks = checkMount({ ...MOUNT, ...change });
    expect(notOk(checks)).toEqual(expected);
    for (const check of checks) {
      expect(check.cure === undefined, check.name).toBe(check.state === "ok");
      expect(check.mountpoint).toBe("/mnt/x");
    }
  });
});

it("the lines are aligned, with the cure below and the mount above", () => {
  const lines = doctorLines([
    { name: "fuse", state: "ok", found: "there" },
    { name: "loop-device", state: "warning", found: "buffered", cure: "losetup", mountpoint: "/mnt/my disk" },
    { name: "own-swap", state: "problem", found: "swap is on it", cure: "swapoff", mountpoint: "/mnt/my disk" },
  ]);
  expect(lines).toEqual([
    "ok    fuse         there",
    "'/mnt/my disk':",
    "WARN  loop-device  buffered",
    "      try: losetup",
    "FAIL  own-swap     swap is on it",
    "      try: swapoff",
  ]);
});
