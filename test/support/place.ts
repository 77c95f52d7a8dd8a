/**
 * A temporary place for one kernel test: directories, mounts, loop devices, file
 * systems. `withPlace` takes all of it away again, also after a failure, and
 * fails the test when kmemfs itself left something behind.
 * Nothing here touches a mount from the test's own process: commands do, under a time limit.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Cleanup } from "./cleanup.js";
import { Disk } from "./disk.js";
import { appeared, described, freeOurs, type Machine, snapshot } from "./machine.js";
import { type Background, type RunOptions, type RunResult, run, start, until } from "./processes.js";
import { kmemfsProgram, runMark, temporaryDirectory, withTestedIo } from "./project.js";

export interface DiskWishes {
  /** The first operand of `mount`; absent: the default pool. */
  readonly pool?: string;
  readonly size?: string;
  readonly args?: readonly string[];
  /** Name of the mount point in the place. Absent: `disk`. */
  readonly name?: string;
}

export type FileSystemType = "ext4" | "xfs" | "btrfs";

/** Arguments that make mkfs write little: the file is blank, and holes are zeros. */
const MKFS_ARGS: Readonly<Record<FileSystemType, readonly string[]>> = {
  ext4: ["-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"],
  xfs: ["-q", "-f", "-K"],
  btrfs: ["-q", "-f", "-K"],
};

const GONE_MS = 60_000;
/** Where somebody holds it, what is unmounted next frees it. */
const DETACHED_MS = 20_000;
/** As GONE_MS, after a failure: then it is freed by force. */
export const FAILED_MS = 2_000;

export class Place {
  readonly directory: string;
  readonly cleanup = new Cleanup();
  readonly #before: Machine = snapshot();

  constructor(parent?: string) {
    this.directory = temporaryDirectory("place", parent);
    this.cleanup.add(this.directory, () => rmSync(this.directory, { recursive: true, force: true }));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  makeDirectory(name: string): string {
    const path = this.path(name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  kmemfs(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(process.execPath, [kmemfsProgram, ...withTestedIo(args)], options);
  }

  /** A kmemfs command that is expected to fail. */
  refused(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.kmemfs(args, { ...options, allowFail: true });
  }

  /** Mounts a pool in the background. */
  async mount(wishes: DiskWishes = {}): Promise<Disk> {
    const directory = this.makeDirectory(wishes.name ?? "disk");
    const operands = wishes.pool === undefined ? [directory] : [wishes.pool, directory];
    const size = wishes.size === undefined ? [] : ["--size", wishes.size];
    this.endsWithUs(directory);
    await this.kmemfs(["mount", ...operands, ...size, ...(wishes.args ?? [])]);
    return new Disk(this, directory);
  }

  /** A mount in the foreground, once it is ready. */
  async mountInForeground(wishes: DiskWishes = {}): Promise<{ readonly disk: Disk; readonly process: Background }> {
    const directory = this.makeDirectory(wishes.name ?? "disk");
    const operands = wishes.pool === undefined ? [directory] : [wishes.pool, directory];
    const size = wishes.size === undefined ? [] : ["--size", wishes.size];
    const args = withTestedIo(["mount", "-f", ...operands, ...size, ...(wishes.args ?? [])]);
    const child = start(process.execPath, [kmemfsProgram, ...args]);
    this.cleanup.add("mount -f", () => child.stop());
    this.endsWithUs(directory);
    await child.waitFor(/"msg":"mounted"/);
    return { disk: new Disk(this, directory), process: child };
  }

  /** Has a mount of kmemfs unmounted at the end if it is there then. */
  endsWithUs(directory: string): void {
    this.cleanup.add(`mount ${directory}`, async () => {
      if (isMounted(directory)) await this.kmemfs(["unmount", "--force", directory], { allowFail: true });
    });
  }

  /** Attaches a loop device with direct I/O. @returns its path */
  async loop(file: string, args: readonly string[] = []): Promise<string> {
    const { stdout } = await run("losetup", ["--find", "--show", "--direct-io=on", ...args, file]);
    const device = stdout.trim();
    this.cleanup.add(device, () => this.detach(device));
    return device;
  }

  /** Detaches a loop device that is still one of ours. */
  async detach(device: string): Promise<void> {
    if (!this.isAttached(device)) return;
    await run("losetup", ["-d", device]);
    await until(() => !this.isAttached(device), DETACHED_MS, `${device} to be detached`);
  }

  isAttached(device: string): boolean {
    const path = `/sys/block/${device.replace("/dev/", "")}/loop/backing_file`;
    return existsSync(path) && readFileSync(path, "utf8").includes(this.directory);
  }

  /** Makes a file system. */
  async makeFileSystem(type: FileSystemType, device: string): Promise<void> {
    await run(`mkfs.${type}`, [...MKFS_ARGS[type], device], { timeoutMs: 60_000 });
  }

  /** Mounts a file system on a new directory. @returns the directory */
  async mountFileSystem(type: string, device: string, name = "files"): Promise<string> {
    const directory = this.makeDirectory(name);
    await run("mount", ["-t", type, device, directory]);
    this.cleanup.add(directory, () => this.umount(directory));
    return directory;
  }

  async umount(directory: string): Promise<void> {
    if (isMounted(directory)) await run("umount", [directory], { timeoutMs: 60_000 });
  }

  /** A tmpfs of a limited size. @returns its directory */
  async tmpfs(size: string, name = "tmpfs", options = ""): Promise<string> {
    const directory = this.makeDirectory(name);
    await run("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0700${options}`, "tmpfs", directory]);
    this.cleanup.add(directory, () => this.umount(directory));
    return directory;
  }

  /** What of this place is still on the machine, one line each. */
  leftovers(): string[] {
    const found = appeared(this.#before);
    const isOurs = (line: string): boolean => line.includes(runMark);
    const marked = found.processes.filter((one) => one.mark === runMark);
    return [
      ...described({ ...found, processes: [] }).filter(isOurs),
      ...described({ mounts: [], loopDevices: [], processes: marked }),
    ];
  }

  /** Processes have a moment to end in. @throws Error when something of this place is still there then */
  async expectNothingLeft(waitMs = GONE_MS): Promise<void> {
    await until(() => this.leftovers().length === 0, waitMs, "nothing to be left").catch(() => {
      const left = this.leftovers();
      if (left.length > 0) throw new Error(`left behind:\n  ${left.join("\n  ")}`);
    });
  }

  /**
   * Undoes everything.
   * @param waitMs for what ends by itself; after a failure nothing may
   * @returns what went wrong, one line each
   */
  async end(waitMs = GONE_MS): Promise<string[]> {
    const wrong: string[] = [];
    const note = (error: Error): void => void wrong.push(error.message);
    await this.cleanup.run().catch(note);
    await this.expectNothingLeft(waitMs).catch(note);
    await freeOurs(this.#before).catch(note);
    rmSync(this.directory, { recursive: true, force: true });
    return wrong;
  }
}

/** True when a file system is mounted on `directory`: from mountinfo, so that nothing can hang. */
export function isMounted(directory: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8").includes(` ${directory} `);
}

/** The path of the control socket of a mount of root. */
export function controlSocket(mountpoint: string): string {
  return `/run/kmemfs/${createHash("sha256").update(mountpoint).digest("hex").slice(0, 16)}.sock`;
}

/** Runs a test in a place of its own. @param parent where the directory is made; absent: the temporary directory */
export async function withPlace(body: (place: Place) => Promise<unknown>, parent?: string): Promise<void> {
  const place = new Place(parent);
  let failure: Error | undefined;
  try {
    await body(place);
  } catch (error) {
    failure = error as Error;
  }
  const wrong = await place.end(failure === undefined ? GONE_MS : FAILED_MS);
  if (failure !== undefined) {
    if (wrong.length > 0) failure.message += `\nand then: ${wrong.join("; ")}`;
    throw failure;
  }
  if (wrong.length > 0) throw new Error(wrong.join("; "));
}

/** Runs a test on a disk that is mounted already. */
export function withDisk(wishes: DiskWishes, body: (disk: Disk, place: Place) => Promise<unknown>): Promise<void> {
  return withPlace(async (place) => body(await place.mount(wishes), place));
}
