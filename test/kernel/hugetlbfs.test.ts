/** A pool file on hugetlbfs: memory comes and goes in whole huge pages, and the account names the rest. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { fioVerify } from "../support/fio.js";
import { withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const SETTING = "/proc/sys/vm/nr_hugepages";
const MIB = 2 ** 20;
const PAGES = 64;

const { it } = requires({
  root: true,
  fuse: true,
  commands: ["fio", "xfs_io"],
  fileSystems: ["hugetlbfs"],
  files: [SETTING],
  freeMemoryBytes: 2 ** 30,
});

/** Sets how many huge pages the machine keeps. @returns how many it has then */
function setHugePages(count: number): number {
  writeFileSync(SETTING, String(count));
  return Number(readFileSync(SETTING, "utf8"));
}

function freeHugePages(): number {
  return Number(/^HugePages_Free:\s+(\d+)$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
}

it("data is kept, whole huge pages go back, the rest is stock", (): Promise<void> =>
  withPlace(async (place) => {
    const before = setHugePages(0);
    place.cleanup.add(SETTING, () => void setHugePages(before));
    // The others on the machine leave it enough unbroken memory sooner or later.
    await until(() => setHugePages(PAGES) === PAGES, 60_000, `${PAGES} huge pages`);
    const directory = place.makeDirectory("huge");
    await run("mount", ["-t", "hugetlbfs", "-o", "mode=0700", "none", directory]);
    place.cleanup.add(directory, () => place.umount(directory));

    const pool = `${directory}/pool`;
    await place.kmemfs(["format", pool, "--size", "64M"]);
    const bound = await place.refused(["mount", pool, place.makeDirectory("bound"), "--numa-node", "0"]);
    expectRefusal(bound, { cause: /hugetlbfs, which has no memory policy for a file/, cure: /node0\/hugepages/ });
    const disk = await place.mount({ pool });
    expect((await disk.status()).pool).toMatchObject({ kind: "hugetlbfs", durable: false, layout: "single" });
    await fioVerify(disk.file, { rw: "randwrite", ioengine: "psync", size: "16m", jobs: 2 });
    expect((await disk.expectAccount()).usedBytes).toBe(32 * MIB);

    const full = freeHugePages();
    await disk.io("fpunch 0 16m", "fpunch 24m 4k");
    const part = await disk.expectAccount();
    expect([part.usedBytes, part.stockBytes > 0]).toEqual([16 * MIB - 4096, true]);
    expect(freeHugePages() - full).toBeGreaterThanOrEqual(6);
    await run("cmp", ["-n", `${16 * MIB}`, disk.file, "/dev/zero"]);

    const sum = await disk.sum();
    await disk.unmount();
    const again = await place.mount({ pool });
    expect(await again.sum()).toBe(sum);
    await again.io("fpunch 0 64m");
    const empty = await again.expectAccount();
    expect([empty.usedBytes, empty.stockBytes + empty.metadataBytes <= 4 * MIB]).toEqual([0, true]);
  }));
