import { describe, expect, it } from "vitest";
import { MediaError, UserError } from "../../../src/base/errors.js";
import { failureLines, formatTable } from "../../../src/cli/print.js";
import { statusNotes, statusTable } from "../../../src/cli/status.js";
import type { MountStatus } from "../../../src/mounts/status.js";

const MIB = 1024 * 1024;

const mount: MountStatus = {
  mountpoint: "/mnt/ram",
  file: "/mnt/ram/disk",
  device: "0:40",
  io: "served",
  ioReason: "not in this version",
  pool: { kind: "tmpfs", path: null, durable: false, layout: "split", uuid: "u", label: "", numaNode: null },
  readOnly: false,
  atomicWrites: false,
  wasUnclean: false,
  damage: null,
  pageSizeBytes: 4096,
  sizeBytes: 1024 * MIB,
  maxSizeBytes: 1024 * MIB,
  poolBytes: 1026 * MIB,
  metadataBytes: 8192,
  usedBytes: 1.5 * MIB,
  limboBytes: 0,
  freeBytes: 1022.5 * MIB,
  stockBytes: 0,
  peakBytes: 300 * MIB,
  limitBytes: 1024 * MIB,
  ownBytes: 34 * MIB,
  discardedBytesTotal: 0,
  readBytesTotal: 0,
  writtenBytesTotal: 0,
  serverPid: 11,
  holderPid: 10,
  restarts: 0,
  lastDeath: null,
  loopDevices: ["/dev/loop0"],
  givenUp: null,
  refused: [],
};

describe("formatTable", () => {
  it("aligns left and right, without blanks at line ends", () => {
    const columns = [{ title: "NAME" }, { title: "SIZE", right: true }, { title: "NOTE" }];
    expect(
      formatTable(columns, [
        ["a", "10", "x"],
        ["longer", "9", ""],
      ]),
    ).toEqual(["NAME    SIZE  NOTE", "a         10  x", "longer     9"]);
  });
  it("is the titles alone when there is no row", () => {
    expect(formatTable([{ title: "A" }, { title: "B" }], [])).toEqual(["A  B"]);
  });
});

describe("statusTable", () => {
  it("shows a mount in units", () => {
    const other = { ...mount, mountpoint: "/m", loopDevices: [], pool: { ...mount.pool, path: "/srv/pool" } };
    expect(statusTable([mount, other], false)).toEqual([
      "MOUNTPOINT  IO         SIZE     USED        FREE  METADATA  LIMBO       PEAK       OWN  POOL       LOOP",
      "/mnt/ram    served  1.0 GiB  1.5 MiB  1022.5 MiB   8.0 KiB    0 B  300.0 MiB  34.0 MiB  tmpfs      /dev/loop0",
      "/m          served  1.0 GiB  1.5 MiB  1022.5 MiB   8.0 KiB    0 B  300.0 MiB  34.0 MiB  /srv/pool  -",
    ]);
  });
  it("shows bytes when asked", () => {
    expect(statusTable([mount], true)[1]).toContain(
      "1073741824  1572864  1072168960      8192      0  314572800  35651584",
    );
  });
  it("has only its titles without mounts", () => {
    expect(statusTable([], false)).toEqual([
      "MOUNTPOINT  IO  SIZE  USED  FREE  METADATA  LIMBO  PEAK  OWN  POOL  LOOP",
    ]);
  });
});

describe("statusNotes", () => {
  it("says why not direct", () => {
    expect(statusNotes(mount)).toEqual(["not direct: not in this version"]);
  });
  it("says what is out of the ordinary", () => {
    const odd = {
      ...mount,
      pool: { ...mount.pool, numaNode: 0 },
      ioReason: null,
      readOnly: true,
      serverPid: null,
      restarts: 2,
      lastDeath: "was killed by SIGKILL",
      givenUp: null,
      refused: ["IO_FLUSHER: EPERM"],
    };
    expect(statusNotes(odd)).toEqual([
      "memory on NUMA node 0",
      "read-only",
      "no server is running",
      "the server was restarted 2 times; the last one was killed by SIGKILL",
      "not available here: IO_FLUSHER: EPERM",
    ]);
  });
});

it("a disk that was given up says how to have it back, and how to discard it", () => {
  const why = "the server was killed by SIGKILL: 6 deaths within a minute";
  expect(statusNotes({ ...mount, ioReason: null, serverPid: null, givenUp: why })).toEqual([
    `given up because ${why}; the pool is kept`,
    "try: kmemfs recover --up /mnt/ram, or kmemfs down /mnt/ram to discard it",
  ]);
  const { givenUp: _unsaid, ...older } = { ...mount, ioReason: null };
  expect(statusNotes(older as MountStatus)).toEqual([]);
});

it("a holder of an older version does not say on which node its pool is", () => {
  const { numaNode: _node, ...pool } = mount.pool;
  expect(statusNotes({ ...mount, ioReason: null, pool } as MountStatus)).toEqual([]);
});

describe("failureLines", () => {
  it("is one line, then the cure", () => {
    const error = new UserError("mount /mnt/x", "no such directory", { code: "ENOENT", cure: "mkdir -p /mnt/x" });
    expect(failureLines(error, false)).toEqual([
      "kmemfs: mount /mnt/x: no such directory (ENOENT)",
      "try: mkdir -p /mnt/x",
    ]);
  });
  it("stays one line whatever the text holds", () => {
    const lines = failureLines(new UserError("mount /a\nb\u001b[31m", "first\n  second"), false);
    expect(lines).toEqual(["kmemfs: mount /a b [31m: first second"]);
  });
  it("tells of a damaged pool", () => {
    const lines = failureLines(new MediaError("version", "1", "7", 8), false);
    expect(lines).toEqual(["kmemfs: pool: version at byte 8: expected 1, found 7"]);
  });
  it("gives a system error its call, path and code", () => {
    const error = Object.assign(new Error("EACCES: permission denied, open '/srv/pool'"), {
      code: "EACCES",
      syscall: "open",
      path: "/srv/pool",
    });
    expect(failureLines(error, false)).toEqual(["kmemfs: open /srv/pool: permission denied (EACCES)"]);
  });
  it("shows a stack only with debug", () => {
    expect(failureLines(new Error("boom"), false)).toEqual(["kmemfs: boom"]);
    expect(failureLines(new Error("boom"), true)).toHaveLength(2);
  });
  it("bears what is no Error", () => {
    expect(failureLines("odd", true)).toEqual(["kmemfs: odd"]);
  });
});
