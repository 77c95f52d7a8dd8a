/** zram: the kernel's compressed block device in memory. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { until } from "../../test/support/processes.js";
import { command } from "../shell.js";
import { type Bench, type Side, startInSteps } from "./side.js";

const CONTROL = "/sys/class/zram-control";
/** The fastest that all kernels with zram usually have. */
const ALGORITHM = "lz4";
const NODE_TIMEOUT_MS = 5_000;
const GONE_TIMEOUT_MS = 5_000;

async function hotAdd({ signal }: Bench): Promise<string> {
  if (!existsSync(CONTROL)) await command("modprobe", ["zram", "num_devices=0"], { signal });
  // Reading adds a device and tells its number.
  return `zram${readFileSync(`${CONTROL}/hot_add`, "utf8").trim()}`;
}

/** The kernel refuses while somebody still has the device open, as udev has for a moment after each change. */
function isRemoved(name: string): boolean {
  try {
    writeFileSync(`${CONTROL}/hot_remove`, name.slice("zram".length));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
    throw error;
  }
}

/** The first figures of mm_stat are the data's size and what they take compressed; the third is all memory used. */
export function parseMemoryUsed(mmStat: string): number {
  return Number(mmStat.trim().split(/\s+/)[2]);
}

function zramWith(name: string, data: string, isCompressible: boolean): Side {
  const start: Side["start"] = (bench) =>
    startInSteps(async (undo) => {
      const device = await hotAdd(bench);
      undo.add(device, () => until(() => isRemoved(device), GONE_TIMEOUT_MS, `${device} to be unused`));
      writeFileSync(`/sys/block/${device}/comp_algorithm`, ALGORITHM);
      writeFileSync(`/sys/block/${device}/disksize`, String(bench.sizeBytes));
      const file = `/dev/${device}`;
      await until(() => existsSync(file), NODE_TIMEOUT_MS, file);
      const dataBytes = (): number => parseMemoryUsed(readFileSync(`/sys/block/${device}/mm_stat`, "utf8"));
      return { file, pids: [], dataBytes, isCompressible };
    });
  return { name, title: `zram, ${ALGORITHM}, ${data}`, isPeer: true, needs: {}, start };
}

export const zram = zramWith("zram", "data that do not compress", false);
export const zramHalf = zramWith("zram-half", "data that compress by half", true);
