/** Rows of ext4 on the block device: making it, a source tree, and a database. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isMounted, makeDirectory, unmount } from "../place.js";
import { command } from "../shell.js";
import type { Bench, Running } from "../sides/side.js";
import { sourceTree, type TreeFile } from "../sourceTree.js";
import { withUndo } from "../undo.js";
import { discardAll } from "./firstWrites.js";
import type { Row } from "./row.js";

const TIMEOUT_MS = 120_000;
/** Transactions a sample; each ends with what makes it durable. */
const INSERTS = 1000;

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

function run(name: string, args: readonly string[], { signal }: Bench): Promise<string> {
  return command(name, args, { timeoutMs: TIMEOUT_MS, signal });
}

const makeFileSystem = (side: Running, bench: Bench): Promise<string> =>
  run("mkfs.ext4", ["-F", "-q", side.file], bench);

/** Does `work` on a new ext4 on the device, mounted. */
function onFileSystem<T>(side: Running, bench: Bench, work: (directory: string) => Promise<T>): Promise<T> {
  return withUndo(async (undo) => {
    await makeFileSystem(side, bench);
    const directory = makeDirectory(bench.place.path(`ext4-${basename(side.file)}`), undo);
    undo.add(`mount ${directory}`, () => isMounted(directory) && unmount(directory));
    await run("mount", ["-t", "ext4", side.file, directory], bench);
    return work(directory);
  });
}

function writeTree(top: string, files: Iterable<TreeFile>): void {
  for (const { path, content } of files) {
    const file = join(top, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}

/** The archive of the source tree, made once a run. */
async function treeArchive(bench: Bench): Promise<string> {
  const archive = join(bench.place.ram, "tree.tar");
  if (existsSync(archive)) return archive;
  const top = join(bench.place.ram, "tree");
  writeTree(top, sourceTree());
  await run("tar", ["--create", "--sort=name", "--file", archive, "--directory", top, "."], bench);
  rmSync(top, { recursive: true });
  return archive;
}

const treeRow: Row = {
  name: "tree-unpack",
  title: "unpacking a source tree, and sync",
  unit: "s",
  isQuick: true,
  async prepare(side, bench) {
    await treeArchive(bench);
    await discardAll(side, bench);
  },
  async measure(side, bench) {
    const archive = await treeArchive(bench);
    return onFileSystem(side, bench, async (directory) => {
      const top = join(directory, "tree");
      mkdirSync(top);
      const synced = (...line: string[]) =>
        seconds(async () => {
          await run(line[0]!, line.slice(1), bench);
          await run("sync", ["--file-system", directory], bench);
        });
      const value = await synced("tar", "--extract", "--file", archive, "--directory", top);
      const deleteSeconds = await synced("rm", "--recursive", top);
      const trimSeconds = await seconds(() => run("fstrim", [directory], bench));
      return { value, details: { deleteSeconds, trimSeconds } };
    });
  },
};

function insertScript(bench: Bench): string {
  const script = join(bench.place.ram, "inserts.sql");
  const insert = "INSERT INTO notes (words) VALUES (hex(randomblob(100)));\n";
  const setUp = "PRAGMA synchronous=FULL;\nCREATE TABLE notes (id INTEGER PRIMARY KEY, words TEXT);\n";
  writeFileSync(script, setUp + insert.repeat(INSERTS));
  return script;
}

const sqliteRow: Row = {
  name: "sqlite-insert",
  title: "SQLite inserts, a transaction each, synchronous=FULL",
  unit: "1/s",
  isQuick: true,
  needs: { sqlite3: "sqlite3" },
  prepare: discardAll,
  measure: (side, bench) =>
    onFileSystem(side, bench, async (directory) => {
      const script = insertScript(bench);
      const taken = await seconds(() => run("sqlite3", [join(directory, "notes.db"), `.read ${script}`], bench));
      return { value: INSERTS / taken };
    }),
};

export const ext4Rows: readonly Row[] = [
  {
    name: "mkfs-ext4",
    title: "mkfs.ext4 on an empty device",
    unit: "s",
    isQuick: true,
    needs: { "mkfs.ext4": "e2fsprogs" },
    prepare: discardAll,
    measure: async (side, bench) => ({ value: await seconds(() => makeFileSystem(side, bench)) }),
  },
  treeRow,
  sqliteRow,
];
