/** The commands of the benchmarks and the Debian packages that bring them. */
import { accessSync, constants, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Stage } from "./rows/row.js";
import { command } from "./shell.js";
import type { Side } from "./sides/side.js";

/** What nearly all rows run. */
const ALWAYS: Side["needs"] = { fio: "fio", blkdiscard: "util-linux", fstrim: "util-linux", fallocate: "util-linux" };
const CLUSTER_SETTINGS = "/etc/postgresql-common/createcluster.conf";
/** No questions; of settings that differ the present ones stay. */
const QUIET = ["DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1"];
const INSTALL_TIMEOUT_MS = 300_000;

function hasCommand(name: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The packages of those of `needs` that are not here. */
export function missingPackages(needs: Side["needs"], has: (name: string) => boolean = hasCommand): string[] {
  const missing = Object.entries(needs).filter(([name]) => !has(name));
  return [...new Set(missing.flatMap(([, names]) => names.split(" ")))];
}

/** Debian's package of PostgreSQL makes a cluster and starts it, unless this file says no. One that is there is the user's. */
function refuseCluster(): void {
  if (existsSync(CLUSTER_SETTINGS)) return;
  mkdirSync(dirname(CLUSTER_SETTINGS), { recursive: true });
  writeFileSync(CLUSTER_SETTINGS, "create_main_cluster = false\n");
}

async function install(names: readonly string[], signal: AbortSignal): Promise<void> {
  const options = { timeoutMs: INSTALL_TIMEOUT_MS, signal };
  if (names.includes("postgresql")) refuseCluster();
  const args = [...QUIET, "apt-get", "install", "-y", "-q", "--no-install-recommends", "--no-remove", ...names];
  try {
    await command("env", args, options);
  } catch {
    signal.throwIfAborted();
    await command("apt-get", ["update", "-q"], options);
    await command("env", args, options);
  }
}

/**
 * Installs what is missing for `stages`, where that is possible. A side that still lacks
 * something is left out by who starts it.
 * @throws Error when fio or another tool of the rows themselves cannot be had
 */
export async function ensurePackages(stages: readonly Stage[], signal: AbortSignal): Promise<void> {
  const ofRows = Object.assign({}, ALWAYS, ...stages.flatMap(({ rows }) => rows.map((row) => row.needs)));
  const ofSides = stages.flatMap(({ sides }) => sides.map((side) => side.needs));
  const missing = missingPackages(Object.assign({}, ofRows, ...ofSides));
  if (missing.length > 0 && process.env.KMEMFS_NO_INSTALL !== "1" && hasCommand("apt-get")) {
    console.log(`Installing Debian packages: ${missing.join(" ")} (KMEMFS_NO_INSTALL=1 leaves them out)`);
    await install(missing, signal).catch((error: Error) => console.log(error.message));
  }
  const needed = missingPackages(ofRows);
  if (needed.length > 0) throw new Error(`needs ${needed.join(" ")}; try: apt-get install ${needed.join(" ")}`);
}

/** Why a side cannot be started here, or nothing. */
export function reasonMissing(side: Side): string | undefined {
  const missing = missingPackages(side.needs).join(" ");
  return missing === "" ? undefined : `not installed: apt-get install ${missing}`;
}
