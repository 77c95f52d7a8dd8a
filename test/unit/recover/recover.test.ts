/** What is left of a dead disk, in which order it is cleared, and how it comes back: from recorded mounts and devices. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { toMountOptions } from "../../../src/cli/mountOptions.js";
import { forgetStep } from "../../../src/cli/recover.js";
import { isSame } from "../../../src/disk/loopFiles.js";
import { stepsOf } from "../../../src/disk/steps.js";
import { type MountEntry, parseMountinfo } from "../../../src/linux/proc/mounts.js";
import { parseMountRecord } from "../../../src/mounts/mountRecord.js";
import { standingStill } from "../../../src/mounts/silent.js";
import { diskDirectories } from "../../../src/mounts/stateDirectory.js";
import { type WayBack, wayBack as wayBackWith } from "../../../src/recover/bringBack.js";
import { type DeadDisk, deadDiskOf, isMeant, type MachineView, sessionsOf } from "../../../src/recover/deadDisk.js";

const FUSE = "rw,user_id=0,group_id=0";
const HIDDEN = `${diskDirectories()}/0123456789abcdef`;

/** The disk on /mnt/x is dead; on its loop device are a file system, one on a partition, and a bind mount of it. */
const MOUNTS = parseMountinfo(
  [
    "20 1 254:0 / / rw - ext4 /dev/vda rw",
    `30 20 0:40 / /mnt/x rw - fuse.kmemfs /srv/pool ${FUSE}`,
    `31 20 0:41 / /mnt/alive rw - fuse.kmemfs kmemfs ${FUSE}`,
    "40 20 7:0 / /mnt/files rw - ext4 /dev/loop0 rw",
    "41 20 0:50 / /mnt/more rw - btrfs /dev/loop0p1 rw",
    "42 20 7:0 /sub /elsewhere rw - ext4 /dev/loop0 rw",
    "43 40 254:0 /home /mnt/files/home rw - ext4 /dev/vda rw",
    "44 20 7:1 / /mnt/others rw - ext4 /dev/loop1 rw",
  ].join("\n"),
);

const LOOPS: MachineView["loops"] = [
  {
    path: "/dev/loop0",
    backingFile: "/mnt/x/disk",
    diskSeq: "1",
    nodes: [
      { path: "/dev/loop0", majorMinor: "7:0", partOf: [] },
      { path: "/dev/loop0p1", majorMinor: "259:0", partOf: [] },
    ],
  },
  {
    path: "/dev/loop1",
    backingFile: "/mnt/alive/disk",
    diskSeq: "2",
    nodes: [{ path: "/dev/loop1", majorMinor: "7:1", partOf: [] }],
  },
];

function facts(more: Partial<MachineView> = {}, lines: readonly string[] = []): MachineView {
  const mounts = [...MOUNTS, ...parseMountinfo(lines.join("\n"))];
  const dead = mounts.filter((mount) => mount.majorMinor === "0:40");
  return { mounts, dead, loops: LOOPS, swapAreas: [], records: [], namespaces: [], ...more };
}

const deadDisk = (all: MachineView): DeadDisk => deadDiskOf(sessionsOf(all.dead)[0] as MountEntry[], all);
const nobody = { ofMount: () => [], ofDevice: () => [] };
const plan = (all: MachineView, users = nobody): string[] =>
  stepsOf(deadDisk(all), { kind: "lazily", users }).map((step) => step.plan);

const wayBack = (found: DeadDisk): WayBack | null =>
  wayBackWith(found, (pool, place, words) => toMountOptions(pool, place, words, { root: true, directory: "/" }));

const OPTIONS = {
  pool: { kind: "path", path: "/srv/pool" },
  mountpoint: "/mnt/x",
  fuseDirectory: "/mnt/x",
  sizeBytes: 4096,
  create: true,
  readOnly: false,
  io: "served",
  atomicWrites: true,
  durable: false,
  restarts: 2,
  watchdogSeconds: 7,
  spare: false,
  allowOther: false,
  debug: false,
  foreground: true,
} as const;

describe("what is left", () => {
  it("is the dead mount's own, and nothing of a living one", () => {
    const found = deadDisk(facts());
    expect(found).toMatchObject({ mountpoint: "/mnt/x", poolPath: "/srv/pool", loops: [LOOPS[0]], blockers: [] });
    expect(JSON.stringify(found)).not.toMatch(/alive|others|loop1/);
  });

  it("is cleared from the inside to the outside", () => {
    const swapAreas = ["/dev/loop0p1", "/mnt/files/swap file", "/swap", "/dev/loop1"];
    expect(plan(facts({ swapAreas }))).toEqual([
      "swapoff /dev/loop0p1",
      "swapoff /mnt/files/swap file",
      "unmount /mnt/files/home (ext4 on /dev/vda)",
      "unmount /elsewhere (ext4 on /dev/loop0)",
      "unmount /mnt/more (btrfs on /dev/loop0p1)",
      "unmount /mnt/files (ext4 on /dev/loop0)",
      "detach /dev/loop0",
      "unmount the dead mount /mnt/x",
    ]);
    expect(forgetStep(deadDisk(facts())).plan).toBe("remove its files from the state directory");
  });

  it("names who uses it", () => {
    const holder = { pid: 7, name: "tail", how: "open file", path: "/mnt/files/a" } as const;
    const users = {
      ofMount: (mount: MountEntry) => (mount.majorMinor === "7:0" ? [holder] : []),
      ofDevice: () => [holder],
    };
    const lines = stepsOf(deadDisk(facts()), { kind: "lazily", users }).map((step) => step.plan);
    const by = "in use by tail (pid 7, /mnt/files/a)";
    expect(lines).toContain(`unmount /mnt/files (ext4 on /dev/loop0), lazily if still ${by}`);
    expect(lines).toContain(`detach /dev/loop0, ${by}`);
    expect(lines).toContain("unmount the dead mount /mnt/x");
  });

  it("counts a bind mount of the dead mount, also of its file, as the same", () => {
    const bound = [`50 20 0:40 /disk /mnt/file rw - fuse.kmemfs /srv/pool ${FUSE}`];
    const loops = [{ ...LOOPS[0]!, backingFile: "/mnt/file (deleted)" }];
    const all = facts({ loops }, bound);
    expect(sessionsOf(all.dead)).toHaveLength(1);
    expect(deadDisk(all).loops).toEqual(loops);
    const lines = plan(all);
    expect(lines.indexOf("unmount the dead mount /mnt/file")).toBeLessThan(
      lines.indexOf("unmount the dead mount /mnt/x"),
    );
  });
});

describe("what lives inside is not ours to end", () => {
  it.each([
    ["a tmpfs", "60 40 0:60 / /mnt/files/tmp rw - tmpfs none rw"],
    ["another kmemfs mount", `60 40 0:41 / /mnt/files/bound rw - fuse.kmemfs kmemfs ${FUSE}`],
    ["a tmpfs further inside", "60 43 0:60 / /mnt/files/home/tmp rw - tmpfs none rw"],
  ])("%s", (_what, line) => {
    expect(deadDisk(facts({}, [line])).blockers).toEqual([expect.stringMatching(/mounted inside, and still alive$/)]);
  });

  it("a device that is made of it", () => {
    const loops = [{ ...LOOPS[0]!, nodes: [{ path: "/dev/loop0", majorMinor: "7:0", partOf: ["/dev/dm-0"] }] }];
    expect(deadDisk(facts({ loops })).blockers).toEqual(["/dev/loop0 is part of /dev/dm-0"]);
  });

  it("a mount at the same place, whose file has the same path", () => {
    const below = `29 20 0:39 / /mnt/x rw - fuse.kmemfs kmemfs ${FUSE}`;
    expect(deadDisk(facts({}, [below])).blockers).toEqual(["something else is also mounted on /mnt/x"]);
  });
});

describe("the way back", () => {
  it("is what the record says, without sizes and in the background", () => {
    const back = wayBack(deadDisk(facts({ records: [OPTIONS] })));
    expect(back?.command).toBe("kmemfs mount /srv/pool /mnt/x");
    const { sizeBytes: _size, ...others } = OPTIONS;
    // A record of a version that knew no source.
    expect(back?.options).toEqual({ ...others, source: "/srv/pool", create: false, foreground: false });
  });

  it("is the mount's source where there is no record", () => {
    expect(wayBack(deadDisk(facts()))?.options).toMatchObject({ pool: OPTIONS.pool, io: "auto", readOnly: false });
  });

  it("is none for a pool that was memory", () => {
    const options = { ...OPTIONS, pool: { kind: "tmpfs" } } as const;
    expect(wayBack(deadDisk(facts({ records: [options] })))).toBeNull();
  });

  it("of a disk of up is its file system's mount point, with a record and without", () => {
    const lines = [
      `70 20 0:70 / ${HIDDEN} rw - fuse.kmemfs /srv/pool ${FUSE}`,
      "71 20 7:7 / /mnt/up rw - ext4 /dev/loop7 rw",
    ];
    const mounts = [...MOUNTS, ...parseMountinfo(lines.join("\n"))];
    const dead = mounts.filter((mount) => mount.majorMinor === "0:70");
    const nodes = [{ path: "/dev/loop7", majorMinor: "7:7", partOf: [] }];
    const loops = [{ path: "/dev/loop7", backingFile: `${HIDDEN}/disk`, diskSeq: "7", nodes }];
    const options = { ...OPTIONS, mountpoint: "/mnt/up", fuseDirectory: HIDDEN };
    for (const records of [[], [options]]) {
      const found = deadDiskOf(dead, { mounts, dead, loops, swapAreas: [], records, namespaces: [] });
      expect(found.mountpoint).toBe("/mnt/up");
      expect(wayBack(found)?.command).toBe("kmemfs up /mnt/up --pool /srv/pool");
      expect([isMeant(found, "/mnt/up"), isMeant(found, HIDDEN), isMeant(found, "/mnt/x")]).toEqual([
        true,
        true,
        false,
      ]);
    }
    // Nothing says where it was.
    expect(
      wayBack(deadDiskOf(dead, { mounts: dead, dead, loops: [], swapAreas: [], records: [], namespaces: [] })),
    ).toBeNull();
  });
});

it("what a record says of the holder tells of it, and is no option of the next one", () => {
  const holder = { pid: 7, startTicks: "4711" };
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  expect(parseMountRecord(JSON.stringify({ ...OPTIONS, holder, boot }))).toEqual({ ...OPTIONS, holder });
  expect(parseMountRecord(JSON.stringify({ ...OPTIONS, holder: { pid: "7" }, boot }))).toEqual(OPTIONS);
  // Of which boot it does not say.
  expect(parseMountRecord(JSON.stringify({ ...OPTIONS, holder }))).toEqual(OPTIONS);
  expect(wayBack(deadDisk(facts({ records: [{ ...OPTIONS, holder }] })))?.options).not.toHaveProperty("holder");
  // Process 1 did not begin then: the number is another's.
  expect(standingStill({ ...OPTIONS, holder: { pid: 1, startTicks: "no" } })).toBeNull();
  expect(standingStill(OPTIONS)).toBeNull();
});

it("a loop device is the one that a holder saw when its number says so, and where there is none it is not", () => {
  const loop = LOOPS[0]!;
  expect(isSame({ path: "/dev/loop0", diskSeq: "1" }, loop)).toBe(true);
  expect(isSame({ path: "/dev/loop0", diskSeq: "2" }, loop)).toBe(false);
  expect(isSame({ path: "/dev/loop0", diskSeq: null }, { ...loop, diskSeq: null })).toBe(false);
});

it("a record that was cut off is none", () => {
  const text = JSON.stringify(OPTIONS);
  expect(parseMountRecord(text)).toEqual(OPTIONS);
  for (const bad of [text.slice(0, -5), "", "{}", '{"pool":{}}', "null"]) expect(parseMountRecord(bad)).toBeNull();
});

it("a record has each option, of its kind, or the option's default", () => {
  const { spare: _spare, restarts: _restarts, ...others } = OPTIONS;
  expect(parseMountRecord(JSON.stringify(others))).toEqual({ ...others, spare: true, restarts: 5 });
  for (const [field, value] of Object.entries(OPTIONS)) {
    if (field === "sizeBytes") continue;
    const other = JSON.stringify({ ...OPTIONS, [field]: typeof value === "number" ? `${value}` : 7 });
    expect(parseMountRecord(other), field).toBeNull();
  }
});
