/** Deaths in the other parts of a disk's life: its first server, `kmemfs restart`, unmount and format. */
import { existsSync } from "node:fs";
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
  const args = ["-f", "-o", "/dev/null", "-p", String(serverPid), ...injection(death)];
  const tracer = start("strace", args, { cwd: "/" });
  await tracer.waitFor(/attached/);
  const { status, stderr } = await kmemfs(["unmount", disk.directory], { allowFail: true });
  if (status !== 0 && !/^kmemfs: [^\n]+/.test(stderr)) throw new Error(`unmount ends with ${status}: ${stderr}`);
  if (existsSync(`/proc/${holderPid}`)) await untilGone(holderPid);
  await tracer.exited;
  const { stdout } = await kmemfs(["check", disk.pool]);
  await mount(stage, disk);
  await disk.compare();
  return /: clean, /.test(stdout) ? "closed" : "not closed";
}

/** `kmemfs format` dies: what it leaves is no pool, or one, and can be formatted. */
async function format(stage: Stage, disk: LedgerDisk, death: Death): Promise<string> {
  const pool = `${disk.pool}-formatted`;
  const args = ["format", pool, "--size", "4M", ...disk.formatArguments, "--force"];
  const { status } = await stage.killed(death, args);
  const { status: checked, stdout, stderr } = await kmemfs(["check", pool], { allowFail: true });
  const said = `${stdout}${stderr}`.trim();
  if (checked !== 0 && !(checked === 8 && /^kmemfs: [^\n]*(\ntry: [^\n]*)?$/.test(said))) {
    throw new Error(`check of what a dead format left ends with ${checked}: ${said}`);
  }
  if (checked === 0) await kmemfs(["dump", pool]);
  await kmemfs(args);
  await requireClean(pool);
  return status === 0 ? "done" : checked === 0 ? "a pool" : "no pool";
}

/** Calls by which a pool is changed, or closed. */
const WRITES = ["pwrite64", "pwritev", "fallocate", "ftruncate", "fsync", "fdatasync", "msync", "?unlink", "?rename"];
const ENDS = [...WRITES, "write", "madvise", "munmap", "?exit_group"];

/** The first `count` of each of `calls`. */
const firstOf = (calls: readonly string[], count: number): Death[] =>
  calls.flatMap((call) => Array.from({ length: count }, (_one, i) => ({ call, number: i + 1 })));

/** Each with its deaths; those of a start are the same as of a server that takes over. */
export const STEPS: readonly { readonly name: string; readonly deaths: "of a start" | Death[]; readonly run: Step }[] =
  [
    { name: "start", deaths: "of a start", run: first },
    { name: "restart", deaths: "of a start", run: replacement },
    { name: "unmount", deaths: firstOf(ENDS, 6), run: end },
    { name: "format", deaths: firstOf(WRITES, 6), run: format },
  ];
