/**
 * Writes, discards and reads at once in a thin pool, whose pages go from block to
 * block: nobody ever reads another block's bytes, or those of a freed page.
 */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { fioVerify } from "../support/fio.js";
import { someOf } from "../support/longForm.js";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["fio", "xfs_io"], freeMemoryBytes: 2 ** 30 });

const MIB = 2 ** 20;
const SECONDS = 5;
/** Where the third writer works: past both of fio's regions. The pool is just large enough for all three. */
const START = 512 * MIB;
const LENGTH = 16 * MIB;

/** Fills a region with one byte and punches it, over and over, until the time is over. */
function fillAndPunch(disk: Disk): Promise<unknown> {
  const step = `-c 'pwrite -q -S 0x33 -b 256k ${START} ${LENGTH}' -c 'fpunch ${START} ${LENGTH}'`;
  const line = `end=$(($(date +%s) + ${SECONDS})); while [ $(date +%s) -lt $end ]; do xfs_io ${step} '${disk.file}' || exit 1; done`;
  return run("sh", ["-c", line], { timeoutMs: 60_000 });
}

/** Reads that region over and over. @returns how many bytes were neither zero nor the one written */
async function strangeBytes(disk: Disk): Promise<number> {
  const read = `dd if='${disk.file}' bs=1M skip=${START / MIB} count=${LENGTH / MIB} iflag=direct status=none`;
  const line = `end=$(($(date +%s) + ${SECONDS})); while [ $(date +%s) -lt $end ]; do ${read} | tr -d '\\000\\063'; done | wc -c`;
  const { stdout } = await run("sh", ["-c", line], { timeoutMs: 60_000 });
  return Number(stdout);
}

for (const pool of someOf(["tmpfs", "memfd"], 1)) {
  it(`on ${pool}`, () =>
    withDisk({ pool, size: "1G", args: ["--pool-size", "132M"] }, async (disk) => {
      const device = await disk.loop();
      const time = ["--time_based", `--runtime=${SECONDS}`];
      const [, , , strange] = await Promise.all([
        fioVerify(disk.file, { rw: "randwrite", ioengine: "psync", size: "16m", jobs: 4, args: time }),
        fioVerify(device, {
          rw: "randtrimwrite",
          ioengine: "libaio",
          size: "48m",
          args: ["--offset=128m", "--random_generator=tausworthe64"],
        }),
        fillAndPunch(disk),
        strangeBytes(disk),
      ]);
      expect(strange).toBe(0);
      await disk.expectAccount();
      await run("fallocate", ["-p", "-o", "0", "-l", "1G", disk.file]);
      expect((await disk.expectAccount()).usedBytes).toBe(0);
    }));
}
