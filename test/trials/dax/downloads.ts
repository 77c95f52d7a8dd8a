/** What a guest is made of that this machine does not have: a Debian kernel with its modules, and busybox. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../../support/processes.js";

export interface Downloads {
  /** Version of the kernel, as `uname -r` says it. */
  readonly release: string;
  readonly kernel: string;
  readonly modules: string;
  readonly busybox: string;
}

/** The kernel of Debian's stable clouds: it has every module that the guest needs, and few others. */
const KERNEL = "linux-image-cloud-amd64";
const DOWNLOAD_MS = 180_000;

const cacheDirectory = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "kmemfs-guest");

/** From the cache, or by apt-get. @throws Error when apt-get does not have them, and no older ones are there */
export async function downloads(): Promise<Downloads> {
  const directory = join(cacheDirectory, await fetched());
  const release = readdirSync(join(directory, "lib/modules"))[0] ?? "";
  return {
    release,
    kernel: join(directory, "boot", `vmlinuz-${release}`),
    modules: join(directory, "lib/modules", release, "kernel"),
    busybox: join(directory, "bin/busybox"),
  };
}

/** @returns the name of a directory of the cache: of the newest kernel, or of the one that is there when apt is offline */
async function fetched(): Promise<string> {
  mkdirSync(cacheDirectory, { recursive: true });
  const there = readdirSync(cacheDirectory).filter((name) => !name.includes(".new-"));
  try {
    const { stdout } = await run("apt-cache", ["depends", KERNEL], { env: { LC_ALL: "C" } });
    const kernelPackage = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
    if (kernelPackage === undefined) throw new Error(`apt-cache knows no ${KERNEL}; apt-get update may help`);
    if (!there.includes(kernelPackage)) await fetchInto(join(cacheDirectory, kernelPackage), kernelPackage);
    return kernelPackage;
  } catch (error) {
    const newest = there.sort().at(-1);
    if (newest === undefined) throw error;
    return newest;
  }
}

/** The directory takes its name when all is in it: what was cut off is done again. */
async function fetchInto(directory: string, kernelPackage: string): Promise<void> {
  const fresh = `${directory}.new-${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  // As root apt-get downloads as a user of its own, who cannot write here.
  const args = ["-q", "-o", "APT::Sandbox::User=root", "download", kernelPackage, "busybox-static"];
  const download = () => run("apt-get", args, { cwd: fresh, timeoutMs: DOWNLOAD_MS });
  try {
    await download().catch(async () => {
      await run("apt-get", ["update", "-q"], { timeoutMs: DOWNLOAD_MS });
      await download();
    });
    for (const name of readdirSync(fresh)) {
      await run("dpkg-deb", ["-x", name, "."], { cwd: fresh, timeoutMs: 60_000 });
      rmSync(join(fresh, name));
    }
    // Another run may have been faster.
    if (!existsSync(directory)) renameSync(fresh, directory);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
