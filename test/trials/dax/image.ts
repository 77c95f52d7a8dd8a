/**
 * The disk of a guest: this machine's node and tools with their libraries, and this
 * checkout as it is compiled now. And the initial RAM disk that finds it.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "../../support/processes.js";
import { projectRoot } from "../../support/project.js";
import { loadOrder } from "./modules.js";

const MODULES = "virtio_pci virtio_blk nfit nd_pmem device_dax dax_pmem kmem fuse loop".split(" ");

/** What the tests call, and what a shell script is made of. */
export const TOOLS = `
  dash env cat ls sed grep mkdir rm sleep ln chmod readlink yes head tail od tr stat dd cp cmp sync du df truncate sha256sum
  mount umount losetup findmnt blkid mkfs.ext4 fstrim blkdiscard fallocate xfs_io ndctl daxctl
`
  .trim()
  .split(/\s+/);
/** Loaded by name while they run. */
const LIBRARIES = ["libpmem.so.1"];

/** Of the checkout; the packages that are left out only build, and make up most of it. */
const PROJECT = ["bin", "dist", "dist-trial", "src", "test", "package.json", "vitest.config.ts", "tsconfig.json"];
const NOT_NEEDED = new Set(["@biomejs", "typescript", "knip", "dependency-cruiser", "@esbuild", "esbuild", ".cache"]);

/** Makes the image at `path`. @throws Error when a tool is missing */
export async function makeImage(path: string, workDirectory: string, busybox: string): Promise<void> {
  const root = join(workDirectory, "root");
  for (const name of ["proc", "sys", "dev", "tmp", "run", "mnt", "root", "etc", "usr/bin", "usr/sbin", "project"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  // As Debian has them: /bin and the others are links into /usr.
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(root, name));
  copyFileSync(busybox, join(root, "usr/bin/busybox"));
  symlinkSync("dash", join(root, "usr/bin/sh"));
  symlinkSync("/proc/self/mounts", join(root, "etc/mtab"));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  const tools = await Promise.all(TOOLS.map(pathOf));
  const libraries = await Promise.all(LIBRARIES.map(libraryOf));
  const programs = [process.execPath, ...tools, ...libraries];
  for (const program of programs) put(root, program);
  copyProject(join(root, "project"));
  const addons = readdirSync(join(root, "project"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".node"))
    .map((path) => join(root, "project", path));
  for (const library of await librariesOf([...programs, ...addons])) put(root, library);
  await run("ldconfig", ["-r", root]);
  copyFileSync(script("init.sh"), join(root, "usr/sbin/init"));
  chmodSync(join(root, "usr/sbin/init"), 0o755);
  await run("mkfs.ext4", ["-q", "-F", "-b", "4096", "-d", root, path, "512M"], { timeoutMs: 120_000 });
}

/** Makes the initial RAM disk at `path`. @param modulesDirectory of the kernel */
export async function makeInitrd(
  path: string,
  workDirectory: string,
  modulesDirectory: string,
  busybox: string,
): Promise<void> {
  const root = join(workDirectory, "early");
  for (const name of ["bin", "modules", "root", "dev"]) mkdirSync(join(root, name), { recursive: true });
  copyFileSync(busybox, join(root, "bin/busybox"));
  symlinkSync("busybox", join(root, "bin/sh"));
  const modules = loadOrder(modulesDirectory, MODULES);
  for (const { name, bytes } of modules) writeFileSync(join(root, "modules", name), bytes);
  writeFileSync(join(root, "modules/order"), modules.map(({ name }) => `${name}\n`).join(""));
  copyFileSync(script("early.sh"), join(root, "init"));
  chmodSync(join(root, "init"), 0o755);
  await run("sh", ["-c", `find . | ${busybox} cpio -o -H newc >"${path}"`], { cwd: root });
}

const script = (name: string): string => join(projectRoot, "test/trials/dax", name);

function copyProject(to: string): void {
  for (const name of PROJECT) cpSync(join(projectRoot, name), join(to, name), { recursive: true });
  // The copy has the packages also where this is a link to those of another checkout.
  const modules = realpathSync(join(projectRoot, "node_modules"));
  cpSync(modules, join(to, "node_modules"), {
    recursive: true,
    filter: (source) => dirname(source) !== modules || !NOT_NEEDED.has(basename(source)),
  });
}

async function pathOf(command: string): Promise<string> {
  const { status, stdout } = await run("sh", ["-c", `command -v ${command}`], { allowFail: true });
  if (status !== 0) throw new Error(`the guest needs ${command}, which is not installed`);
  return stdout.trim();
}

async function libraryOf(name: string): Promise<string> {
  const { stdout } = await run("ldconfig", ["-p"]);
  const path = stdout
    .split("\n")
    .find((line) => line.trim().startsWith(`${name} `))
    ?.split(" => ")[1];
  if (path === undefined) throw new Error(`the guest needs ${name}, which is not installed`);
  return path;
}

/** The shared libraries, and the loader, that the programs are linked with (ldd(1)). */
async function librariesOf(programs: readonly string[]): Promise<Set<string>> {
  const { stdout } = await run("ldd", programs, { allowFail: true });
  return new Set([...stdout.matchAll(/(?:=> |\t)(\/\S+) \(0x/g)].map((match) => match[1] as string));
}

/** Copies a file to the same path in the guest; what is a link here is the file there. */
function put(root: string, path: string): void {
  const to = join(root, path.replace(/^\/(bin|sbin|lib|lib64)\//, "/usr/$1/"));
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(realpathSync(path), to);
}
