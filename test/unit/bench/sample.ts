/** A small run of the benchmarks, for the tests of what is made of it. */
import type { Results, RowResult, StageResult } from "../../../bench/results.js";
import type { Sample } from "../../../bench/rows/row.js";

const samples = (...values: number[]) => values.map((value) => ({ value }));

/** Two GiB in half a million requests, by 8 CPU seconds, 4 of them in the side's processes. */
const COSTS = { bytes: 2 ** 31, requests: 500_000, busySeconds: 8, processSeconds: 4 };
const tails = (...p999: number[]) => p999.map((p999Us) => ({ ...COSTS, p999Us }));

/** Samples with details, a pair of figures each. */
function detailed(values: number[], details: Record<string, number>[]): Sample[] {
  return values.map((value, i) => ({ value, details: details[i]! }));
}

const random: RowResult = {
  key: "file/randread-4k-j8",
  title: "4 KiB random read, 8 jobs",
  unit: "IOPS",
  busyBefore: 0.02,
  samples: {
    "kmemfs-served": detailed([100_000, 50_000, 120_000], tails(300, 200, 100)),
    nbdfuse: samples(20_000, 10_000, 40_000),
    qemu: detailed([40_000, 20_000, 60_000], tails(600, 300, 500)),
  },
};

const resident: RowResult = {
  key: "file/resident",
  title: "resident memory",
  unit: "bytes",
  busyBefore: 0,
  samples: { "kmemfs-served": samples(130 * 2 ** 20) },
};

const discard: RowResult = {
  key: "loop/discard",
  title: "discard",
  unit: "s",
  busyBefore: 0.01,
  samples: { "kmemfs-served": samples(0.3, 0.2, 0.25), loop: samples(0.1, 0.1, 0.1) },
};

export const fileStage: StageResult = {
  name: "file",
  title: "on the file",
  sides: [
    { name: "kmemfs-served", title: "kmemfs served", isPeer: false },
    { name: "nbdfuse", title: "nbdfuse over nbdkit memory", isPeer: true },
    { name: "qemu", title: "QEMU", isPeer: true },
  ],
  missing: [{ name: "qemu-uring", reason: "not installed: apt-get install x\nmore" }],
  rows: [random, resident],
};

export const loopStage: StageResult = {
  name: "loop",
  title: "on a loop device",
  sides: [
    { name: "kmemfs-served", title: "kmemfs served", isPeer: false },
    { name: "loop", title: "loop on a tmpfs file", isPeer: true },
  ],
  missing: [],
  rows: [discard],
};

export const results: Results = {
  version: 2,
  date: "2026-01-02T03:04:05.678Z",
  command: "npm run bench",
  rounds: 3,
  runtimeMs: 3000,
  sizeBytes: 2 ** 30,
  machine: {
    cpu: "A CPU",
    cores: 2,
    memoryBytes: 24 * 2 ** 30,
    system: "Debian",
    kernel: "Linux 6.18",
    tmpfsHugePages: "never",
    versions: { node: "v20.20.2", fio: "fio-3.33" },
  },
  stages: [fileStage, loopStage],
};
