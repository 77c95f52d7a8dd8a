/** The row of a source tree: unpacked, deleted, and its memory given back. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Bench } from "../sides/side.js";
import { sourceTree, type TreeFile } from "../sourceTree.js";
import type { Row } from "./row.js";
import { emptied, inWorkDirectory, run, seconds, sync } from "./workDirectory.js";

function writeTree(top: string, files: Iterable<TreeFile>): void {
  for (const { path, content } of files) {
    const file = join(top, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}

/** The archive of the source tree, made once a run. */
async function treeArchive(bench: Bench, isCompressible = false): Promise<string> {
  const archive = join(bench.place.ram, `tree-${isCompressible ? "text" : "noise"}.tar`);
  if (existsSync(archive)) return archive;
  const top = join(bench.place.ram, "tree");
  writeTree(top, sourceTree(isCompressible));
  await run("tar", ["--create", "--sort=name", "--file", archive, "--directory", top, "."], bench);
  rmSync(top, { recursive: true });
  return archive;
}

export const treeRow: Row = {
  name: "tree-unpack",
  title: "unpacking a source tree, and sync",
  unit: "s",
  isQuick: true,
  async prepare(side, bench) {
    await treeArchive(bench, side.isCompressible);
    await emptied(side, bench);
  },
  async measure(side, bench) {
    const archive = await treeArchive(bench, side.isCompressible);
    return inWorkDirectory(side, bench, async (directory) => {
      const top = join(directory, "tree");
      mkdirSync(top);
      const synced = (...line: string[]) =>
        seconds(async () => {
          await run(line[0]!, line.slice(1), bench);
          await sync(directory, bench);
        });
      const value = await synced("tar", "--extract", "--file", archive, "--directory", top);
      const deleteSeconds = await synced("rm", "--recursive", top);
      // Of a directory without a device the memory is back by then.
      if (side.isDirectory) return { value, details: { deleteSeconds } };
      const trimSeconds = await seconds(() => run("fstrim", [directory], bench));
      return { value, details: { deleteSeconds, trimSeconds } };
    });
  },
};
