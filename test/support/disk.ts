/** A mounted disk, as a kernel test sees it: its file, its status, and what its pool really holds. */
import { strictEqual } from "node:assert";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { findMount } from "../../src/mounts/client.js";
import { SilentHolder } from "../../src/mounts/silent.js";
import type { MountStatus } from "../../src/mounts/status.js";
import { patience } from "./patience.js";
import type { Place } from "./place.js";
import { type RunResult, run } from "./processes.js";

/** Limbo is looked after every 100 ms, and the machine may be busy. */
const QUIET_MS = 60_000 * patience;
const POLL_MS = 50;
const SECTOR_BYTES = 512;

export class Disk {
  /** The one file. */
  readonly file: string;

  constructor(
    readonly place: Place,
    /** Where it is mounted. */
    readonly directory: string,
  ) {
    this.file = join(directory, "disk");
  }

  /** As `kmemfs status -J` has it, by the same door: without its process, which most of the time would go into. */
  status(): Promise<MountStatus> {
    return statusOf(this.directory);
  }

  loop(args: readonly string[] = []): Promise<string> {
    return this.place.loop(this.file, args);
  }

  unmount(): Promise<RunResult> {
    return this.place.kmemfs(["unmount", this.directory]);
  }

  /** Runs commands of xfs_io on the file, e.g. `fpunch 0 4k`. */
  async io(...commands: string[]): Promise<string> {
    const { stdout } = await run("xfs_io", [...commands.flatMap((command) => ["-c", command]), this.file]);
    return stdout;
  }

  /** Bytes that the pool's files hold now, by st_blocks of the holder's fds. */
  async realBytes(status: MountStatus): Promise<number> {
    const files = poolFds(status);
    if (files.length === 0) throw new Error(`process ${status.holderPid} has no pool open`);
    const { stdout } = await run("stat", ["-L", "-c", "%b", ...files]);
    return stdout
      .trim()
      .split("\n")
      .reduce((sum, blocks) => sum + Number(blocks) * SECTOR_BYTES, 0);
  }

  /** The status at a quiet moment: nothing in limbo, and the counts stand still. */
  async quiet(): Promise<MountStatus> {
    const endMs = performance.now() + QUIET_MS;
    let last = await this.status();
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const now = await this.status();
      const stands = now.usedBytes === last.usedBytes && now.metadataBytes === last.metadataBytes;
      if (stands && now.limboBytes === 0) return now;
      if (performance.now() > endMs) throw new Error(`no quiet moment: ${JSON.stringify(now)}`);
      last = now;
    }
  }

  /**
   * Law 13: at a quiet moment the account is what the backing holds. It was none when the
   * account has changed after that was looked at: a file system on the disk writes when it likes.
   * @returns the status
   */
  async expectAccount(): Promise<MountStatus> {
    const endMs = performance.now() + QUIET_MS;
    for (;;) {
      const status = await this.quiet();
      const realBytes = await this.realBytes(status);
      const after = await this.status();
      if (sameAccount(status, after) || performance.now() > endMs) {
        strictEqual(realBytes, accountOf(status), "st_blocks of the pool against the account");
        return status;
      }
    }
  }

  /** SHA-256 of a range, in hexadecimal. */
  async sum(offset = 0, length?: number): Promise<string> {
    const skip = `tail -c +${offset + 1} '${this.file}'`;
    const part = length === undefined ? skip : `${skip} | head -c ${length}`;
    const { stdout } = await run("sh", ["-c", `${part} | sha256sum`], { timeoutMs: 120_000 });
    return stdout.slice(0, 64);
  }

  /** Size and allocated bytes of the file, by stat. */
  async stat(): Promise<{ readonly sizeBytes: number; readonly allocatedBytes: number }> {
    const [size, blocks] = (await run("stat", ["-c", "%s %b", this.file])).stdout.split(" ").map(Number);
    return { sizeBytes: size ?? 0, allocatedBytes: (blocks ?? 0) * SECTOR_BYTES };
  }
}

function accountOf({ usedBytes, metadataBytes, stockBytes }: MountStatus): number {
  return usedBytes + metadataBytes + stockBytes;
}

function sameAccount(one: MountStatus, other: MountStatus): boolean {
  return accountOf(one) === accountOf(other) && other.limboBytes === 0;
}

/** Status of the disk that is called `directory`; a holder that has no CPU at the moment is asked again. */
export async function statusOf(directory: string): Promise<MountStatus> {
  const endMs = performance.now() + QUIET_MS;
  for (;;) {
    try {
      const mount = await findMount(directory);
      if (mount === null) throw new Error(`no status of ${directory}`);
      return mount;
    } catch (error) {
      const isBusy = error instanceof SilentHolder && error.silent.state === "silent";
      if (!isBusy || performance.now() > endMs) throw error;
    }
  }
}

/** Paths under /proc of the holder's fds on the pool, one a file. */
function poolFds(status: MountStatus): string[] {
  const { path } = status.pool;
  const names = new Set(
    path === null ? ["/meta", "/data", "/memfd:kmemfs (deleted)"] : [path, `${path}/meta`, `${path}/data`],
  );
  const directory = `/proc/${status.holderPid}/fd`;
  const found = new Map<string, string>();
  for (const fd of readdirSync(directory)) {
    const link = join(directory, fd);
    try {
      const target = readlinkSync(link);
      if (names.has(target)) found.set(target, link);
    } catch {
      // Closed meanwhile.
    }
  }
  if (found.size > 1) found.delete(path ?? "");
  return [...found.values()];
}
