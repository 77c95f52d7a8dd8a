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

/** From the cache, or by apt-get. @throws Error when apt-get does not have them */
export async function downloads(): Promise<Downloads> {
  const { stdout } = await run("apt-cache", ["depends", KERNEL]);
  const kernelPackage = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (kernelPackage === undefined) throw new Error(`apt-cache knows no ${KERNEL}; apt-get update may help`);
  const directory = join(cacheDirectory, kernelPackage);
  if (!existsSync(directory)) await fetchInto(directory, [kernelPackage, "busybox-static"]);
  const release = readdirSync(join(directory, "lib/modules"))[0] ?? "";
  return {
    release,
    kernel: join(directory, "boot", `vmlinuz-${release}`),
    modules: join(directory, "lib/modules", release, "kernel"),
    busybox: join(directory, "bin/busybox"),
  };
}

/** The directory takes its name when all is in it: what was cut off is done again. */
async function fetchInto(directory: string, packages: readonly string[]): Promise<void> {
  const fresh = `${directory}.new-${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  // As root apt-get downloads as a user of its own, who cannot write here.
  const options = ["-q", "-o", "APT::Sandbox::User=root"];
  const download = () => run("apt-get", [...options, "download", ...packages], { cwd: fresh, timeoutMs: DOWNLOAD_MS });
  await download().catch(async () => {
    await run("apt-get", ["update", "-q"], { timeoutMs: DOWNLOAD_MS });
    await download();
  });
  for (const name of readdirSync(fresh)) {
    await run("dpkg-deb", ["-x", name, "."], { cwd: fresh, timeoutMs: 60_000 });
    rmSync(join(fresh, name));
  }
  rmSync(directory, { recursive: true, force: true });
  renameSync(fresh, directory);
}
