import { describe, expect, it } from "vitest";
import { type CheckSummary, checkPool } from "../../../src/pool/check.js";
import type { Finding } from "../../../src/pool/findings.js";
import { decode, STATE_FORMATTING } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { fingerprint, plantEntry, plantSuperblock } from "../../support/damage.js";
import type { FakeMemory } from "../../support/fakeMemory.js";
import { blocksOf, formatFake, makePool } from "../../support/testPool.js";

const media = (fake: FakeMemory) => ({ split: false, metadataPages: fake.pageCount });

type Report = Omit<CheckSummary, "findingCount"> & { findings: Finding[] };

function check(fake: FakeMemory): { report: Report; maps: number[]; closes: number } {
  const maps: number[] = [];
  const findings: Finding[] = [];
  let closes = 0;
  const before = fingerprint(fake);
  const map = (metadataPages: number) => {
    maps.push(metadataPages);
    return {
      memory: fake,
      close: () => {
        closes++;
      },
    };
  };
  const input = { page: superblockPage(fake), pageCount: fake.pageCount, media: media(fake), map };
  const { findingCount, ...summary } = checkPool(input, { finding: (finding) => findings.push(finding) });
  expect(findingCount).toBe(findings.length);
  const report = { ...summary, findings };
  expect(fingerprint(fake).equals(before)).toBe(true);
  return { report, maps, closes };
}

describe("check", () => {
  it("of a good pool finds nothing, and tells what it has", () => {
    const pool = makePool({ pageCount: 1200, maxBlocks: 3000 });
    pool.write(0, blocksOf(1, 3));
    pool.write(2000 * 4096, blocksOf(1, 2));
    const dirty = check(pool.fake);
    expect(dirty.report).toEqual({ state: "dirty", findings: [], pageCount: 1200, blocks: 3000, usedPages: 5 });
    pool.reopen();
    expect([dirty.maps, dirty.closes]).toEqual([[7], 1]);
    expect(check(formatFake({ pageCount: 66 })).report.state).toBe("clean");
  });

  it("lists everything that is wrong, each with its place", () => {
    const fake = formatFake({ pageCount: 60, maxBlocks: 50, blocks: 40 });
    plantEntry(fake, 0, 2);
    plantEntry(fake, 1, 1);
    plantEntry(fake, 2, 0xffff_ffff);
    plantEntry(fake, 3, 4, 7);
    plantEntry(fake, 4, 2);
    plantEntry(fake, 5, 2);
    plantEntry(fake, 39, 59);
    plantEntry(fake, 45, 9);
    plantEntry(fake, 50, 10);
    plantEntry(fake, 51, 0, 1);
    fake.page(0)[2048 + 100] = 0xff;
    const { report } = check(fake);
    expect(
      report.findings.map(({ kind, blockNo, pageNo, offsetBytes }) => [kind, blockNo, pageNo, offsetBytes]),
    ).toEqual([
      ["superblock-copy", undefined, undefined, 2048 + 508],
      ["range", 1, 1, 4096 + 8],
      ["range", 2, 0xffff_ffff, 4096 + 16],
      ["high-word", 3, 4, 4096 + 24],
      ["duplicate", 4, 2, 4096 + 32],
      ["duplicate", 5, 2, 4096 + 40],
      ["beyond-size", 45, 9, 4096 + 45 * 8],
      ["padding", 50, 10, 4096 + 400],
      ["padding", 51, 0, 4096 + 408],
    ]);
    expect(report.usedPages).toBe(2);
    expect(report.findings.filter((one) => one.kind === "duplicate").map((one) => one.ownerBlockNo)).toEqual([0, 0]);
    expect(report.findings[4]?.message).toBe("block 4: page 2 also belongs to block 0, which comes first");
  });

  it("of what is no pool names both copies and maps nothing", () => {
    const fake = formatFake({ pageCount: 60 });
    fake.page(0).fill(0);
    const { report, maps } = check(fake);
    expect([report.state, report.findings.length, maps]).toEqual(["unknown", 2, []]);
    expect(report.findings.map((finding) => finding.offsetBytes)).toEqual([0, 2048]);
  });

  it("of a format that was cut off says so and maps nothing", () => {
    const fake = formatFake({ pageCount: 60 });
    plantSuperblock(fake, { ...decode(superblockPage(fake), 60), state: STATE_FORMATTING });
    const { report, maps } = check(fake);
    expect([report.state, report.findings.map((finding) => finding.kind), maps]).toEqual([
      "formatting",
      ["superblock"],
      [],
    ]);
  });

  it("lets go of the memory also when the scan fails", () => {
    const fake = formatFake({ pageCount: 60 });
    let closed = false;
    const memory = Object.assign(Object.create(fake) as FakeMemory, {
      nextHeld: () => {
        throw new Error("sick");
      },
    });
    const map = () => ({
      memory,
      close: () => {
        closed = true;
      },
    });
    expect(() =>
      checkPool({ page: superblockPage(fake), pageCount: 60, media: media(fake), map }, { finding: () => {} }),
    ).toThrow("sick");
    expect(closed).toBe(true);
  });
});
