/** Deaths in the other parts of a disk's life: its first server, `kmemfs restart`, unmount and format. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { start } from "../../support/processes.js";
import { kmemfs, requireClean } from "../failover/kmemfs.js";
import { untilGone } from "../stops/ways.js";
import type { LedgerDisk } from "./ledgerDisk.js";
import { type Death, injection, type Stage } from "./stage.js";

export type Step = (stage: Stage, disk: LedgerDisk, death: Death) => Promise<string>;

/** The next server that is started is the one that is needed: no spare. */
const MOUNT = ["--restarts", "100000", "--no-spare"];

export async function mount(stage: Stage, disk: LedgerDisk): Promise<void> {
  await stage.kmemfs(["mount", disk.pool, disk.directory, "--io", disk.way, ...MOUNT]);
}

async function unmount(disk: LedgerDisk): Promise<void> {
  await kmemfs(["unmount", disk.directory]);
  await requireClean(disk.pool);
}

/** The first server of a mount dies: the second one makes the mount ready. */
async function first(stage: Stage, disk: LedgerDisk, death: Death): Promise<string> {
  await unmount(disk);
  stage.plan(death);
  await mount(stage, disk);
  const { restarts } = await disk.status();
  await disk.compare();
  await disk.renew();
  return restarts === 0 ? "served" : "died";
}

/** The server that `kmemfs restart` starts dies: the old one serves on, or a third does. */
async function replacement(stage: Stage, disk: LedgerDisk, death: Death): Promise<string> {
  disk.begin();
  stage.plan(death);
  const { status, stderr } = await stage.kmemfs(["restart", disk.directory], { allowFail: true });
  if (status !== 0 && !/^kmemfs: [^\n]+/.test(stderr)) throw new Error(`restart ends with ${status}: ${stderr}`);
  stage.forget();
  await disk.untilRestarts(0);
  await disk.stop();
  await disk.compare();
  await disk.renew();
  return status === 0 ? "served" : "refused";
}

/** The server dies at a call after the unmount has begun. */
async function end(stage: Stage, disk: LedgerDisk, death: Death): Promise<string> {
  const { serverPid, holderPid } = await disk.status();
  const trace = `${disk.pool}-trace`;
  const args = ["-f", "-o", trace, "-p", String(serverPid), ...injection(death)];
  const tracer = start("strace", args, { cwd: "/" });
  await tracer.waitFor(/attached/);
  const { status, stderr } = await kmemfs(["unmount", disk.directory], { allowFail: true });
  if (status !== 0 && !/^kmemfs: [^\n]+/.test(stderr)) throw new Error(`unmount ends with ${status}: ${stderr}`);
  if (existsSync(`/proc/${holderPid}`)) await untilGone(holderPid);
  await tracer.exited;
  const { stdout } = await kmemfs(["check", disk.pool]);
  await mount(stage, disk);
  await disk.compare();
  const died = readFileSync(trace, "utf8").includes("killed by SIGKILL") ? "died" : "lived";
  return `${died} and ${/: clean, /.test(stdout) ? "closed" : "not closed"}`;
}

/** `kmemfs format` dies where nothing was before. */
async function formatNew(stage: Stage, disk: LedgerDisk, death: Death): Promise<string> {
  rmSync(formattedBy(disk), { recursive: true, force: true });
  return formatOver(stage, disk, death);
}

/** `kmemfs format` dies over a file that it makes longer, and over one that it makes shorter. */
async function formatResized(stage: Stage, disk: LedgerDisk, death: Death): Promise<string> {
  const pool = formattedBy(disk);
  const left: string[] = [];
  for (const size of ["2M", "8M"]) {
    rmSync(pool, { recursive: true, force: true });
    await kmemfs(["format", pool, "--size", size]);
    left.push(await dyingFormat(stage, pool, death, ["--size", "4M", "--pool-size", "6M"]));
  }
  return left.join(" and ");
}

function formatOver(stage: Stage, disk: LedgerDisk, death: Death): Promise<string> {
  return dyingFormat(stage, formattedBy(disk), death, ["--size", "4M", ...disk.formatArguments]);
}

/** What it leaves is no pool, or one, and can be formatted. */
async function dyingFormat(stage: Stage, pool: string, death: Death, wishes: readonly string[]): Promise<string> {
  const args = ["format", pool, ...wishes, "--force"];
  const { status } = await stage.killed(death, args);
  const { status: checked, stdout, stderr } = await kmemfs(["check", pool], { allowFail: true });
  const said = `${stdout}${stderr}`.trim();
  const isRefused = checked === 8 && /^kmemfs: [^\n]*(\ntry: [^\n]*)?$/.test(said);
  const isCutOff = checked === 4 && said.includes("the format was interrupted");
  const isBlank = checked === 4 && /: unknown, 0 B used, 2 errors/.test(said) && filesOf(pool).every(holdsNothing);
  if (checked !== 0 && !isRefused && !isCutOff && !isBlank) {
    throw new Error(`check of what a dead format left ends with ${checked}: ${said}`);
  }
  if (checked === 0) await kmemfs(["dump", pool]);
  const again = await kmemfs(args, { allowFail: true });
  if (again.status !== 0) throw new Error(`format ends with ${again.status}: ${again.stderr}`);
  await requireClean(pool);
  if (status === 0) return "done";
  return isCutOff ? "cut off" : isRefused || isBlank ? "no pool" : "a pool";
}

const formattedBy = (disk: LedgerDisk): string => `${disk.pool}-formatted`;
const filesOf = (pool: string): string[] =>
  statSync(pool).isDirectory() ? readdirSync(pool).map((name) => join(pool, name)) : [pool];
const holdsNothing = (file: string): boolean => readFileSync(file).every((byte) => byte === 0);

/** What a server does from the end of the session on, and how often or a little more. */
const ENDS = { read: 4, fsync: 2, write: 8, madvise: 20, munmap: 40, close: 10, exit: 5, exit_group: 1 };
/** What `format` does to the pool; the last are after it. */
const WRITES = { "?mkdir": 1, ftruncate: 2, fallocate: 6, fsync: 5, write: 2, exit_group: 1 };

const eachOf = (calls: Readonly<Record<string, number>>): Death[] =>
  Object.entries(calls).flatMap(([call, count]) =>
    Array.from({ length: count }, (_one, i) => ({ call, number: i + 1 })),
  );

/** Each with its deaths; those of a start are the same as of a server that takes over. */
export const STEPS: readonly { readonly name: string; readonly deaths: "of a start" | Death[]; readonly run: Step }[] =
  [
    { name: "start", deaths: "of a start", run: first },
    { name: "restart", deaths: "of a start", run: replacement },
    { name: "unmount", deaths: eachOf(ENDS), run: end },
    { name: "format", deaths: eachOf(WRITES), run: formatNew },
    { name: "format-over", deaths: eachOf(WRITES), run: formatOver },
    { name: "format-resized", deaths: eachOf({ ...WRITES, ftruncate: 4 }), run: formatResized },
  ];
