/** What npm packs is the program and what its users read, and needs koffi alone. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { missingOf } from "../../support/needs.js";
import { run } from "../../support/processes.js";
import { projectRoot, temporaryDirectory } from "../../support/project.js";

interface Manifest {
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
}

const place = temporaryDirectory("package");
afterAll(() => rmSync(place, { recursive: true, force: true }));
const manifest = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as Manifest;
const missing = missingOf({ commands: ["npm", "tar"] }).join(", ");

it.skipIf(missing !== "")("the tarball has the program without caches, and runs where koffi is", async () => {
  const tree = join(place, "tree");
  for (const name of [
    "package.json",
    "bin",
    "dist",
    "docs",
    "systemd",
    "src",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
  ]) {
    cpSync(join(projectRoot, name), join(tree, name), { recursive: true });
  }
  writeFileSync(join(tree, "dist/kmemfs.0123456789ab.v20.0.0.cache"), "");
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", place], { cwd: tree });
  const tarball = readdirSync(place).find((name) => name.endsWith(".tgz")) ?? "";
  await run("tar", ["-xzf", tarball], { cwd: place });
  const root = join(place, "package");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  expect(files.filter((name) => name.endsWith(".cache"))).toEqual([]);
  expect(files.filter((name) => name.startsWith("src"))).toEqual([]);
  for (const name of ["holder", "server", "call", "kmemfs"]) {
    expect(files).toEqual(expect.arrayContaining([`dist/${name}.cjs`, `dist/${name}.code.cjs`]));
  }
  expect(files).toContain("dist/thread.cjs");
  expect(files).toEqual(expect.arrayContaining(["dist/LICENSE.commander", "docs/operations.md", "LICENSE"]));
  symlinkSync(join(projectRoot, "node_modules"), join(place, "node_modules"));
  const kmemfs = (...args: string[]) => run(process.execPath, [join(root, "bin/kmemfs.js"), ...args]);
  expect((await kmemfs("--version")).stdout).toMatch(/^kmemfs \d/);
  const pool = join(place, "pool");
  await kmemfs("format", pool, "--size", "1M");
  expect((await kmemfs("check", pool)).stdout).toMatch(/no errors/);
});

it("koffi is the only package that the bundles ask for, and that npm installs", () => {
  expect(Object.keys(manifest.dependencies)).toEqual(["koffi"]);
  const dist = join(projectRoot, "dist");
  const code = readdirSync(dist).filter((name) => name.endsWith(".code.cjs"));
  expect(code).toHaveLength(4);
  const asked = code.flatMap((name) => [...readFileSync(join(dist, name), "utf8").matchAll(/require\("([^"]+)"\)/g)]);
  // koffi itself is found by createRequire (src/linux/syscall/foreign.ts).
  expect(asked.map(([, name = ""]) => name).filter((name) => !name.startsWith("node:"))).toEqual([]);
});

it("every file that package.json names is there", () => {
  const named = manifest.files.filter((name) => !name.startsWith("!"));
  expect(named.filter((name) => !existsSync(join(projectRoot, name)))).toEqual([]);
});
