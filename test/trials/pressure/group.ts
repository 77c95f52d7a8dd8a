/** A memory cgroup for a trial's writers, of version 1 or 2, whichever the machine has. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../support/processes.js";
import { runMark } from "../../support/project.js";

const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";
const GONE_MS = 5_000;

export class MemoryGroup {
  private constructor(private readonly directory: string) {}

  /** @returns the group, or why there can be none */
  static make(limitBytes: number): MemoryGroup | string {
    const isV2 = existsSync(`${V2}/cgroup.controllers`);
    const parent = isV2 ? V2 : V1;
    if (!existsSync(parent)) return "no memory cgroups here";
    const directory = join(parent, `kmemfs-test-${runMark}`);
    const limit = join(directory, isV2 ? "memory.max" : "memory.limit_in_bytes");
    try {
      mkdirSync(directory);
    } catch (error) {
      return `no memory cgroup can be made: ${(error as Error).message}`;
    }
    try {
      writeFileSync(limit, String(limitBytes));
      return new MemoryGroup(directory);
    } catch (error) {
      rmdirSync(directory);
      return `a memory cgroup takes no limit: ${(error as Error).message}`;
    }
  }

  /** The command line that runs another one in the group. */
  inside(command: string, args: readonly string[]): readonly [string, ...string[]] {
    return ["sh", "-c", `echo $$ > '${this.directory}/cgroup.procs' && exec "$@"`, "sh", command, ...args];
  }

  /** The most that it ever held, bytes; null where the kernel does not say. */
  get peakBytes(): number | null {
    for (const name of ["memory.max_usage_in_bytes", "memory.peak"]) {
      const path = join(this.directory, name);
      if (existsSync(path)) return Number(readFileSync(path, "utf8"));
    }
    return null;
  }

  async remove(): Promise<void> {
    const isEmpty = (): boolean => readFileSync(join(this.directory, "cgroup.procs"), "utf8").trim() === "";
    await until(isEmpty, GONE_MS, `${this.directory} to be empty`);
    rmdirSync(this.directory);
  }
}
