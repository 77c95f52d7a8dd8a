/** Rows of a file whose address is larger than what is written: the same data, spread evenly over all of it. */
import { formatBytes } from "../../src/cli/sizes.js";
import { fillArguments, type Load, parseReport } from "../fio.js";
import { command } from "../shell.js";
import type { Bench, Running } from "../sides/side.js";
import { timeDiscard } from "./discard.js";
import { loadRow, MIB, runLoad, runOnce } from "./load.js";
import type { Row } from "./row.js";

/** Blocks of 4 KiB that are written and read: 256 MiB of data. */
const BLOCKS = 65_536;
const BLOCK_BYTES = 4096;
const TIMEOUT_MS = 120_000;

const spread = (pattern: Load["pattern"], jobs: number, addressBytes: number): Load => ({
  pattern,
  jobs,
  blockBytes: BLOCK_BYTES,
  strideBytes: addressBytes / BLOCKS,
});

/** Makes holes of the first `bytes` of a file. */
function punch(side: Running, bytes: number, { signal }: Bench): Promise<string> {
  const args = ["--punch-hole", "--offset", "0", "--length", String(bytes), side.file];
  return command("fallocate", args, { timeoutMs: TIMEOUT_MS, signal });
}

/** Maps the same number of blocks on each side, one every so many. */
async function mapSpread(side: Running, bench: Bench): Promise<void> {
  await runOnce(side, spread("write", 1, side.addressBytes!), bench);
}

/** Maps the blocks and runs a load on them that no row counts, so that code is compiled. */
export async function mapAndWarm(side: Running, bench: Bench): Promise<void> {
  await mapSpread(side, bench);
  await runLoad(side, spread("randrw", 8, side.addressBytes!), bench);
}

/** A load of as many blocks on every side, one every so many: it is the side that says how many. */
function spreadRow(pattern: "randread" | "randwrite"): Row {
  const verb = pattern === "randread" ? "read" : "write";
  const title = `4 KiB random ${verb}, 8 jobs, ${formatBytes(BLOCKS * BLOCK_BYTES)} spread over all of the address`;
  const rowFor = (addressBytes: number): Row =>
    loadRow(`${pattern}-4k-j8`, title, spread(pattern, 8, addressBytes), verb === "read");
  return { ...rowFor(MIB), measure: (side, bench) => rowFor(side.addressBytes!).measure(side, bench) };
}

/** Seconds to punch the first `bytes`, which were written in order before. */
async function punchSeconds(side: Running, bytes: number, bench: Bench): Promise<number> {
  const line = fillArguments(side.file, bytes);
  parseReport(await command("fio", line, { timeoutMs: TIMEOUT_MS, signal: bench.signal }));
  const { value } = await timeDiscard(side, bytes, async () => void (await punch(side, bytes, bench)));
  return value;
}

const linearRow: Row = {
  name: "discard-linear",
  title: "discard of a mapped GiB, over four times that of a quarter",
  unit: "×",
  isOursAlone: true,
  async measure(side, bench) {
    const wholeBytes = 2 ** 30;
    const quarter = await punchSeconds(side, wholeBytes / 4, bench);
    const whole = await punchSeconds(side, wholeBytes, bench);
    return { value: whole / (4 * quarter), details: { quarterSeconds: quarter, wholeSeconds: whole } };
  },
};

const spanRow: Row = {
  name: "discard-span",
  title: `discard of all of the address, ${formatBytes(BLOCKS * BLOCK_BYTES)} spread over it`,
  unit: "s",
  prepare: mapSpread,
  measure: (side, bench) =>
    timeDiscard(side, BLOCKS * BLOCK_BYTES, async () => void (await punch(side, side.addressBytes!, bench))),
};

/** Rows that change what is mapped come last. */
export const growthRows: readonly Row[] = [spreadRow("randread"), spreadRow("randwrite"), spanRow, linearRow];
