/** The two kinds of DAX that the guest has, and what is done with both. */
import { equal } from "node:assert/strict";
import type { Disk } from "../../../support/disk.js";
import { run } from "../../../support/processes.js";

export interface Medium {
  readonly kind: "devdax" | "fsdax";
  readonly pool: string;
  /** Of a mount. */
  readonly directory: string;
  /** Where the file system on the disk is mounted. */
  readonly files: string;
}

export const DEVICE: Medium = { kind: "devdax", pool: "/dev/dax0.0", directory: "/mnt/device", files: "/srv/device" };
export const FILE: Medium = { kind: "fsdax", pool: "/mnt/pm/pool", directory: "/mnt/file", files: "/srv/file" };
export const MEDIA = [DEVICE, FILE];

/** All of the guest is slow; its patience (support/processes.ts) is on top of this. */
export const SLOW = { timeoutMs: 30_000 };
export const DISK_BYTES = 96 * 2 ** 20;

/** A file of lines of one letter. */
export async function writeFile(path: string, letter: string, mebibytes: number): Promise<void> {
  await run("sh", ["-c", `yes ${letter.repeat(63)} | head -c ${mebibytes}M >${path}`], SLOW);
}

export async function sumOf(path: string): Promise<string> {
  return (await run("sha256sum", [path], SLOW)).stdout.slice(0, 64);
}

/** The next read comes from the disk. */
export const dropCaches = () => run("sh", ["-c", "sync; echo 3 >/proc/sys/vm/drop_caches"], SLOW);

export async function availableBytes(directory: string): Promise<number> {
  const { stdout } = await run("df", ["-B1", "--output=avail", directory]);
  return Number(stdout.trim().split("\n")[1]);
}

/** @throws Error when the status says something else */
export async function requirePool(disk: Disk, expected: { readonly kind: string; readonly numaNode: number }) {
  const { pool } = await disk.status();
  equal(`${pool.kind}, node ${pool.numaNode}`, `${expected.kind}, node ${expected.numaNode}`);
  equal(pool.durable, true);
}
