/** The row of installing this project's own packages from a cache that has them all. */
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Bench } from "../sides/side.js";
import type { Row } from "./row.js";
import { emptied, inWorkDirectory, run, seconds, sync } from "./workDirectory.js";

const LISTS = ["package.json", "package-lock.json"];
const QUIET = [
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
  "--no-update-notifier",
  "--loglevel=error",
  "--logs-max=0",
];

const cacheOf = (bench: Bench): string => join(bench.place.ram, "npm-cache");

function makeProject(top: string): string {
  mkdirSync(top);
  for (const list of LISTS) copyFileSync(resolve(list), join(top, list));
  return top;
}

function install(project: string, bench: Bench, from: "--offline" | "--prefer-offline"): Promise<string> {
  // Not --prefix, which also changes where the machine's own settings of npm are looked for.
  const npm = ["--chdir", project, "npm", "ci", from, ...QUIET, "--cache", cacheOf(bench)];
  return run("env", npm, bench);
}

export const npmCiRow: Row = {
  name: "npm-ci",
  title: "npm ci of this project from a local cache, and sync",
  unit: "s",
  mostRounds: 3,
  leastBytes: 512 * 2 ** 20,
  needs: { npm: "npm" },
  async setUp(bench) {
    if (existsSync(cacheOf(bench))) return;
    const project = makeProject(join(bench.place.ram, "npm-project"));
    try {
      await install(project, bench, "--prefer-offline");
    } finally {
      rmSync(project, { recursive: true });
    }
  },
  prepare: emptied,
  measure: (side, bench) =>
    inWorkDirectory(side, bench, async (directory) => {
      const project = makeProject(join(directory, "project"));
      const value = await seconds(async () => {
        await install(project, bench, "--offline");
        await sync(directory, bench);
      });
      return { value };
    }),
};
