/**
 * The row of a database server: pgbench's own load, TPC-B like, on a cluster with the usual durability.
 * The cluster is made once a run and copied to each side.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Cleanup } from "../../test/support/cleanup.js";
import type { Bench } from "../sides/side.js";
import { withUndo } from "../undo.js";
import type { Row } from "./row.js";
import { emptied, inWorkDirectory, run, sync } from "./workDirectory.js";

const HOME = "/usr/lib/postgresql";
/** Made by Debian's package; the server refuses root. */
const USER = "postgres";
const SCALE = 20;
const CLIENTS = 4;
/** How much longer than another load. */
const RUNTIMES = 8;
/** Durability is of no use to a cluster that is being made, and its log is to stay small. */
const MAKING = "-c fsync=off -c max_wal_size=64MB -c checkpoint_timeout=30min";

/** @throws Error when there is no server */
function programs(): string {
  const versions = existsSync(HOME) ? readdirSync(HOME).sort((one, other) => Number(other) - Number(one)) : [];
  const found = versions.map((version) => join(HOME, version, "bin")).find((path) => existsSync(join(path, "initdb")));
  if (found === undefined) throw new Error("no PostgreSQL server; try: apt-get install postgresql");
  return found;
}

function runAsUser(name: string, args: readonly string[], bench: Bench): Promise<string> {
  return run("runuser", ["-u", USER, "--", join(programs(), name), ...args], bench);
}

/** Starts a server that can be reached through a socket in its own directory only. */
async function startServer(directory: string, options: string, bench: Bench, undo: Cleanup): Promise<void> {
  const { place } = bench;
  // What is undone is not cut short.
  const lasting: Bench = { ...bench, place, signal: new AbortController().signal };
  undo.add(`server in ${directory}`, async () => {
    if (!existsSync(join(directory, "postmaster.pid"))) return;
    await runAsUser("pg_ctl", ["stop", "-D", directory, "-m", "fast", "-w"], lasting);
  });
  const wanted = `-c listen_addresses= -c unix_socket_directories=${directory} ${options}`;
  await runAsUser("pg_ctl", ["start", "-D", directory, "-w", "-l", join(directory, "log"), "-o", wanted], bench);
}

/** pgbench's own tables, but with a filler that is noise, or half of it. */
function tablesScript(isCompressible: boolean): string {
  const noise = "md5(n::text) || md5((-n)::text) || md5((n + 0.5)::text)";
  const filler = `left(${noise}, ${isCompressible ? 42 : 84})`;
  return [
    `INSERT INTO pgbench_branches (bid, bbalance) SELECT n, 0 FROM generate_series(1, ${SCALE}) n`,
    `INSERT INTO pgbench_tellers (tid, bid, tbalance) SELECT n, (n - 1) / 10 + 1, 0 FROM generate_series(1, ${10 * SCALE}) n`,
    `INSERT INTO pgbench_accounts (aid, bid, abalance, filler) SELECT n, (n - 1) / 100000 + 1, 0, ${filler} FROM generate_series(1, ${100_000 * SCALE}) n`,
  ].join(";");
}

const templateOf = (bench: Bench, isCompressible = false): string =>
  join(bench.place.ram, `postgres-${isCompressible ? "half" : "noise"}`);

async function makeTemplate(bench: Bench, isCompressible: boolean): Promise<void> {
  const directory = templateOf(bench, isCompressible);
  if (existsSync(directory)) return;
  mkdirSync(directory);
  try {
    await run("chown", [`${USER}:`, directory], bench);
    await runAsUser("initdb", ["-D", directory, "-U", USER, "--auth=trust", "--no-instructions"], bench);
    await withUndo(async (undo) => {
      await startServer(directory, MAKING, bench, undo);
      const tables = (steps: string) =>
        runAsUser("pgbench", ["-h", directory, "-i", "-q", "-s", String(SCALE), "-I", steps, USER], bench);
      await tables("dt");
      await runAsUser("psql", ["-h", directory, "-q", "-c", tablesScript(isCompressible), USER], bench);
      await tables("vp");
    });
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw error;
  }
}

/** Transactions a second, of what pgbench printed. */
export function parseTransactions(text: string): number {
  const rate = Number(/^tps = ([\d.]+)/m.exec(text)?.[1]);
  if (!(rate > 0)) throw new Error("pgbench: it did nothing");
  return rate;
}

export const postgresRow: Row = {
  name: "postgres",
  title: `PostgreSQL, pgbench, ${CLIENTS} clients, scale ${SCALE}`,
  unit: "1/s",
  mostRounds: 3,
  leastBytes: 768 * 2 ** 20,
  needs: { pg_ctlcluster: "postgresql", pgbench: "postgresql", runuser: "util-linux" },
  async setUp(bench) {
    for (const isCompressible of [false, true]) await makeTemplate(bench, isCompressible);
  },
  prepare: emptied,
  measure: (side, bench) =>
    inWorkDirectory(side, bench, (directory) =>
      withUndo(async (undo) => {
        const cluster = join(directory, "cluster");
        await run("cp", ["-a", templateOf(bench, side.isCompressible), cluster], bench);
        await sync(directory, bench);
        await startServer(cluster, "", bench, undo);
        const taken = Math.max(1, Math.round((RUNTIMES * bench.runtimeMs) / 1000));
        const load = ["-h", cluster, "-n", "-c", String(CLIENTS), "-T", String(taken), USER];
        return { value: parseTransactions(await runAsUser("pgbench", load, bench)) };
      }),
    ),
};
