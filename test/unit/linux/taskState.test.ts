/** Task flags, limits, capabilities and locked memory, from recorded text of /proc; loop devices from a recorded /sys. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { fuseOwner } from "../../../src/linux/mount/liveness.js";
import { readLoopNodes } from "../../../src/linux/proc/loopDevices.js";
import {
  CAP_IPC_LOCK,
  CAP_SYS_ADMIN,
  CAP_SYS_RESOURCE,
  hasCapability,
  isIoFlusher,
  parseLimits,
  processState,
} from "../../../src/linux/proc/taskState.js";

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            20000                524288               files     
Max locked memory         8388608              unlimited            bytes     
Max nice priority         0                    0                    
`;
const STATUS =
  "Name:\tnode\nVmPeak:\t  1234 kB\nVmLck:\t    1044 kB\nCapPrm:\t000001fffeffffff\nCapEff:\t000001fffeffffff\n";

/** A line of stat with these task flags. */
const stat = (flags: number, name = "node") =>
  `22420 (${name}) S 22414 22414 14908 0 -1 ${flags} 97 0 0 0 0 0 0 0 20 0 1 0 199619 3133440 381`;

describe("IO_FLUSHER", () => {
  // 4194304 is PF_RANDOMIZE, which most processes have.
  it.each([
    [4194304, false],
    [4194304 | 0x00080000 | 0x00100000, true],
    [4194304 | 0x00080000, false],
    [4194304 | 0x00100000, false],
    // The highest bit makes a number that is not an int32.
    [0x80000000 + 0x00180000, true],
  ])("of the flags %d is %s", (flags, expected) => {
    expect(isIoFlusher(stat(flags))).toBe(expected);
  });

  it("is found behind any name", () => {
    expect(isIoFlusher(stat(0x00180000, "a b) R 1 (x"))).toBe(true);
    expect(isIoFlusher("")).toBeNull();
    expect(isIoFlusher("1 (x) S 1 2")).toBeNull();
  });
});

it("reads limits, locked memory and capabilities", () => {
  expect(parseLimits(LIMITS)).toEqual({
    memlockBytes: { soft: 8388608, hard: Number.POSITIVE_INFINITY },
    openFiles: { soft: 20000, hard: 524288 },
  });
  expect(parseLimits("Max open files 1 2 files\n")).toBeNull();
  const has = [CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RESOURCE].map((one) => hasCapability(STATUS, one));
  expect(has).toEqual([true, true, false]);
  expect(hasCapability("", CAP_SYS_ADMIN)).toBe(false);
});

it("reads this very process, and nothing of one that is gone", () => {
  const own = processState(process.pid);
  expect(own?.ioFlusher.length).toBeGreaterThan(1);
  expect(own?.openFiles).toBeGreaterThan(2);
  expect(processState(2 ** 30)).toBeNull();
});

it("knows whose a FUSE mount is", () => {
  expect(fuseOwner("rw,nosuid,rw,user_id=1000,group_id=100,allow_other")).toBe(1000);
  expect(fuseOwner("rw,relatime")).toBeNull();
});

it("lists a loop device with its partitions and what is made of them", () => {
  const root = mkdtempSync(join(tmpdir(), "kmemfs-sys-"));
  const file = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  file("block/loop0/loop/backing_file", "/mnt/x/disk\n");
  file("block/loop0/diskseq", "12\n");
  file("block/loop0/dev", "7:0\n");
  file("block/loop0/power/control", "auto\n");
  file("block/loop0/loop0p2/dev", "259:1\n");
  file("block/loop0/loop0p2/holders/dm-0/dev", "253:0\n");
  file("block/loop1/dev", "7:1\n");
  try {
    expect(readLoopNodes(root)).toEqual([
      {
        path: "/dev/loop0",
        backingFile: "/mnt/x/disk",
        diskSeq: "12",
        nodes: [
          { path: "/dev/loop0", majorMinor: "7:0", partOf: [] },
          { path: "/dev/loop0p2", majorMinor: "259:1", partOf: ["/dev/dm-0"] },
        ],
      },
    ]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
