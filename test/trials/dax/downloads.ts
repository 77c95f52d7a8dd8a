/** What guests are made of that this machine does not have: Debian kernels with their modules, busybox, an emulator. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../../support/processes.js";

export interface Kernel {
  /** Its version, as `uname -r` says it. */
  readonly release: string;
  readonly file: string;
  readonly modules: string;
  /** The command that boots it, with the arguments that it needs always. */
  readonly emulator: readonly string[];
}

/** Where packages come from. */
interface Source {
  /** Of a directory of the cache. */
  readonly name: string;
  /** Options of apt that make it the only source. */
  readonly apt: readonly string[];
  /** Beside the kernel. */
  readonly packages: readonly string[];
}

/** The kernel of Debian's clouds: it has every module that the guest needs, and few others. */
const KERNEL = "linux-image-cloud-amd64";
const EMULATOR = "qemu-system-x86_64";
const DOWNLOAD_MS = 180_000;

const cacheDirectory = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "kmemfs-guest");

const STABLE: Source = { name: "stable", apt: [], packages: ["busybox-static"] };

/** A kernel, and the busybox of every guest. @throws Error when apt-get does not have them, and no older ones are there */
export async function stableKernel(): Promise<{ readonly kernel: Kernel; readonly busybox: string }> {
  const directory = await fetched(STABLE);
  return { kernel: kernelIn(directory, [EMULATOR]), busybox: join(directory, "bin/busybox") };
}

/**
 * The kernel of the backports, and their emulator: most boots of a new kernel end in a crash of an old
 * one. Both are unpacked in the cache and not installed. @throws Error when apt-get does not have them
 */
export async function newerKernel(): Promise<Kernel> {
  const directory = await fetched(await backports());
  const firmware = ["qemu", "seabios"].flatMap((name) => ["-L", join(directory, "usr/share", name)]);
  return kernelIn(directory, [join(directory, "usr/bin", EMULATOR), ...firmware]);
}

function kernelIn(directory: string, emulator: readonly string[]): Kernel {
  const release = readdirSync(join(directory, "lib/modules"))[0] ?? "";
  return {
    release,
    file: join(directory, "boot", `vmlinuz-${release}`),
    modules: join(directory, "lib/modules", release, "kernel"),
    emulator,
  };
}

/** The backports of the Debian that this machine has, from where it has its packages, with lists of their own. */
async function backports(): Promise<Source> {
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(CODENAME)"]);
  const [, uri, codename] = /^Debian (\S+) ([a-z]+)$/m.exec(stdout) ?? [];
  if (codename === undefined) throw new Error("apt-get has no source of Debian's packages");
  const suite = `${codename}-backports`;
  const directory = join(cacheDirectory, "apt", suite);
  for (const name of ["sources", "lists/partial", "cache"]) mkdirSync(join(directory, name), { recursive: true });
  const lines = [
    ["Types", "deb"],
    ["URIs", uri],
    ["Suites", suite],
    ["Components", "main"],
    ["Signed-By", "/usr/share/keyrings/debian-archive-keyring.gpg"],
  ];
  const text = lines.map(([name, value]) => `${name}: ${value}\n`).join("");
  writeFileSync(join(directory, "sources/backports.sources"), text);
  const options = {
    "Etc::SourceList": "/dev/null",
    "Etc::SourceParts": join(directory, "sources"),
    "State::lists": join(directory, "lists"),
    Cache: join(directory, "cache"),
  };
  return {
    name: suite,
    apt: Object.entries(options).flatMap(([name, value]) => ["-o", `Dir::${name}=${value}`]),
    packages: ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"],
  };
}

/** @returns a directory of the cache: of the kernel that apt's lists name now, or of the newest there when apt is offline */
async function fetched(source: Source): Promise<string> {
  const directory = join(cacheDirectory, source.name);
  mkdirSync(directory, { recursive: true });
  const there = readdirSync(directory).filter((name) => !name.includes(".new-"));
  try {
    const kernelPackage = await nameOfKernel(source);
    if (!there.includes(kernelPackage)) await fetchInto(join(directory, kernelPackage), kernelPackage, source);
    return join(directory, kernelPackage);
  } catch (error) {
    const newest = there.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
    if (newest === undefined) throw error;
    return join(directory, newest);
  }
}

async function nameOfKernel(source: Source): Promise<string> {
  const ask = async (): Promise<string | undefined> => {
    const args = [...source.apt, "depends", KERNEL];
    const { stdout } = await run("apt-cache", args, { env: { LC_ALL: "C" }, allowFail: true });
    return /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  };
  let name = await ask();
  if (name === undefined) {
    await update(source);
    name = await ask();
  }
  if (name === undefined) throw new Error(`apt-cache knows no ${KERNEL} in ${source.name}`);
  return name;
}

const update = ({ apt }: Source) => run("apt-get", ["update", "-q", ...apt], { timeoutMs: DOWNLOAD_MS });

/** The directory takes its name when all is in it: what was cut off is done again. */
async function fetchInto(directory: string, kernelPackage: string, source: Source): Promise<void> {
  const fresh = `${directory}.new-${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  // As root apt-get downloads as a user of its own, who cannot write here.
  const options = ["-q", "-o", "APT::Sandbox::User=root", ...source.apt];
  const args = [...options, "download", kernelPackage, ...source.packages];
  const download = () => run("apt-get", args, { cwd: fresh, timeoutMs: DOWNLOAD_MS });
  try {
    await download().catch(async () => {
      await update(source);
      await download();
    });
    for (const name of readdirSync(fresh)) {
      if (!name.endsWith(".deb")) continue;
      await run("dpkg-deb", ["-x", name, "."], { cwd: fresh, timeoutMs: 60_000 });
      rmSync(join(fresh, name));
    }
    // Another run may have been faster.
    if (!existsSync(directory)) renameSync(fresh, directory);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
