import { describe, expect, it } from "vitest";
import { derivedRow, measuredKey } from "../../../bench/derived.js";
import { fileStage, loopStage } from "./sample.js";

describe("derivedRow", () => {
  it("is made of the details of each sample", () => {
    const row = derivedRow(fileStage, "file/randread-4k-j8:p999");
    expect(row).toMatchObject({ key: "file/randread-4k-j8:p999", unit: "us" });
    expect(row?.title).toBe("4 KiB random read, 8 jobs: p99.9 latency");
    expect(row?.samples["kmemfs-served"]).toEqual([{ value: 300 }, { value: 200 }, { value: 100 }]);
  });
  it("leaves out sides that lack a detail", () => {
    expect(Object.keys(derivedRow(fileStage, "file/randread-4k-j8:p999")!.samples)).toEqual(["kmemfs-served", "qemu"]);
  });
  it("has CPU time a GiB and a million requests", () => {
    const value = (name: string) =>
      derivedRow(fileStage, `file/randread-4k-j8:${name}`)?.samples["kmemfs-served"]?.[0]?.value;
    expect(value("cpu-gib")).toBe(4);
    expect(value("cpu-million")).toBe(16);
    expect(value("process-million")).toBe(8);
  });
  it("is none where no sample has the details, or the name is unknown", () => {
    expect(derivedRow(loopStage, "loop/discard:p50")).toBeUndefined();
    expect(derivedRow(fileStage, "file/randread-4k-j8:p12")).toBeUndefined();
    expect(derivedRow(fileStage, "file/nothing:p50")).toBeUndefined();
  });
});

describe("measuredKey", () => {
  it("is what stands before the colon", () => {
    expect(measuredKey("file/randread-4k-j8:p50")).toBe("file/randread-4k-j8");
    expect(measuredKey("loop/discard")).toBe("loop/discard");
  });
});
