/** The machine and the versions that belong to a run's figures. */
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, version } from "node:os";
import { command } from "./shell.js";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly kernel: string;
  /** The chosen word of the kernel's setting for huge pages in tmpfs. */
  readonly tmpfsHugePages: string;
  /** Of Node, kmemfs and each peer; by name. */
  readonly versions: Readonly<Record<string, string>>;
}

const VERSION_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  kmemfs: ["git", "describe", "--always", "--dirty"],
  nbdfuse: ["nbdfuse", "--version"],
  nbdkit: ["nbdkit", "--version"],
  "qemu-storage-daemon": ["qemu-storage-daemon", "--version"],
  losetup: ["losetup", "--version"],
  fio: ["fio", "--version"],
  sqlite3: ["sqlite3", "--version"],
  tar: ["tar", "--version"],
  pgbench: ["pgbench", "--version"],
  npm: ["npm", "--version"],
};

async function versionOf([name = "", ...args]: readonly string[]): Promise<string> {
  const inProject = name === "git" ? ["-C", process.cwd(), ...args] : args;
  const said = await command(name, inProject).catch(() => "not here");
  return said.trim().split("\n")[0] ?? "";
}

function fileOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

/** The version of the peer that is an npm package, as its installation here states it. */
function fuseNativeVersion(): string {
  const text = fileOr("bench/peers/fuse-native/package.json", "{}");
  const { dependencies } = JSON.parse(text) as { dependencies?: Record<string, string> };
  return dependencies?.["fuse-native"] ?? "not here";
}

export async function describeMachine(): Promise<Machine> {
  const versions: Record<string, string> = { node: process.version, "fuse-native": fuseNativeVersion() };
  for (const [name, line] of Object.entries(VERSION_COMMANDS)) versions[name] = await versionOf(line);
  const processors = cpus();
  const setting = fileOr("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "[none]");
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    system: /^PRETTY_NAME="(.*)"$/m.exec(fileOr("/etc/os-release", ""))?.[1] ?? "unknown",
    kernel: `Linux ${release()} ${version()}`,
    tmpfsHugePages: /\[(\w+)\]/.exec(setting)?.[1] ?? "unknown",
    versions,
  };
}
