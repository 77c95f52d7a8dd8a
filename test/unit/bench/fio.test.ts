import { describe, expect, it } from "vitest";
import { fillArguments, loadArguments, onceArguments, parseReport } from "../../../bench/fio.js";

const GIB = 2 ** 30;
const idle = { iops: 0, bw_bytes: 0, total_ios: 0, io_bytes: 0, clat_ns: {} };
const reads = {
  iops: 25_000.5,
  bw_bytes: 102_402_048,
  total_ios: 17_661,
  io_bytes: 72_339_456,
  clat_ns: { percentile: { "50.000000": 284_672, "99.000000": 864_256, "99.900000": 1_417_216 } },
};

function report(job: object): string {
  return JSON.stringify({ "fio version": "fio-3.33", jobs: [{ error: 0, read: idle, write: idle, ...job }] });
}

describe("loadArguments", () => {
  it("lets random jobs share the disk", () => {
    const args = loadArguments("/dev/loop0", { pattern: "randread", blockBytes: 4096, jobs: 8 }, GIB, 700);
    expect(args).toEqual(expect.arrayContaining(["--rw=randread", "--bs=4096", "--numjobs=8", `--size=${GIB}`]));
    expect(args).toEqual(expect.arrayContaining(["--direct=1", "--ioengine=psync", "--time_based", "--runtime=700ms"]));
  });
  it("makes no file where a side has ended", () => {
    expect(fillArguments("/f", GIB)).toContain("--allow_file_create=0");
  });
  it("gives each sequential job whole blocks of its own", () => {
    const args = loadArguments("/f", { pattern: "write", blockBytes: 2 ** 20, jobs: 4 }, 10 * 2 ** 20, 700);
    expect(args).toEqual(expect.arrayContaining(["--size=2097152", "--offset_increment=2097152"]));
  });
});

describe("the shape of a load", () => {
  const random = { pattern: "randread", blockBytes: 4096, jobs: 1 } as const;

  it("has a depth by libaio alone", () => {
    expect(loadArguments("/f", { ...random, depth: 32 }, GIB, 700)).toEqual(
      expect.arrayContaining(["--ioengine=libaio", "--iodepth=32"]),
    );
  });
  it("aligns random requests to a stride, and skips between sequential ones", () => {
    expect(loadArguments("/f", { ...random, strideBytes: 65_536 }, GIB, 700)).toContain("--blockalign=65536");
    const once = onceArguments("/f", { ...random, pattern: "write", strideBytes: 65_536 }, GIB);
    expect(once).toEqual(expect.arrayContaining(["--rw=write:61440", `--io_size=${GIB / 16}`]));
  });
  it("meets each block once, or again and again for a time", () => {
    expect(onceArguments("/f", random, GIB)).not.toContain("--norandommap");
    expect(loadArguments("/f", random, GIB, 700)).toContain("--norandommap");
  });
  it("mixes reads and writes", () => {
    expect(loadArguments("/f", { ...random, pattern: "randrw", readPercent: 70 }, GIB, 700)).toContain(
      "--rwmixread=70",
    );
  });
});

describe("fillArguments", () => {
  it("write everything once", () => {
    const args = fillArguments("/f", GIB);
    expect(args).toContain(`--size=${GIB}`);
    expect(args).not.toContain("--time_based");
  });
});

describe("parseReport", () => {
  it("reads rates and latencies", () => {
    expect(parseReport(report({ read: reads }))).toEqual({
      iops: 25_000.5,
      bytesPerSecond: 102_402_048,
      requests: 17_661,
      bytes: 72_339_456,
      p50Us: 284.672,
      p99Us: 864.256,
      p999Us: 1417.216,
    });
  });
  it("adds reads and writes, and has the latencies of what there is more of", () => {
    const writes = { ...reads, iops: 1000, total_ios: 700, clat_ns: { percentile: { "50.000000": 1 } } };
    const figures = parseReport(report({ read: reads, write: writes }));
    expect([figures.iops, figures.p50Us]).toEqual([26_000.5, 284.672]);
  });
  it("counts discards", () => {
    const { iops, requests } = parseReport(report({ trim: { ...reads, iops: 9, clat_ns: undefined } }));
    expect([iops, requests]).toEqual([9, 17_661]);
  });
  it("bears a note before the JSON", () => {
    expect(parseReport(`note: both iodepth >= 1\n${report({ write: reads })}`).iops).toBe(25_000.5);
  });
  it("refuses an error, and a run that did nothing", () => {
    expect(() => parseReport(report({ read: reads, error: 5 }))).toThrow("fio: error 5");
    expect(() => parseReport(report({}))).toThrow("nothing was read or written");
    expect(() => parseReport("fio: no such file")).toThrow();
  });
});
