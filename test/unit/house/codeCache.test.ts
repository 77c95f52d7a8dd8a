/** The code that V8 keeps of a bundle (scripts/stub.cjs): from whom it is taken, and that it is never in the way. */
import {
  chmodSync,
  chownSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Script } from "node:vm";
import { crc32 } from "node:zlib";
import { expect, it } from "vitest";
import { missingOf } from "../../support/needs.js";
import { type RunResult, run } from "../../support/processes.js";
import { ProgramCopy } from "../../support/programCopy.js";
import { temporaryDirectory } from "../../support/project.js";

const NOBODY = 65534;
const HELP = ["check", "--help"];
const isRoot = process.getuid?.() === 0;

class Installation {
  readonly #place = temporaryDirectory("cache");
  readonly #copy = new ProgramCopy(join(this.#place, "program"));
  readonly dist = join(this.#copy.directory, "dist");

  constructor() {
    for (const name of this.caches()) rmSync(join(this.dist, name));
  }

  [Symbol.dispose](): void {
    rmSync(this.#place, { recursive: true, force: true });
  }

  caches(): string[] {
    return readdirSync(this.dist).filter((name) => name.includes(".cache"));
  }

  /** Runs a command that is answered by the bundle. @param through what runs Node */
  async help(through: readonly string[] = []): Promise<RunResult> {
    const [command = "", ...args] = [
      ...through,
      process.execPath,
      join(this.#copy.directory, "bin/kmemfs.js"),
      ...HELP,
    ];
    const result = await run(command, args, { cwd: "/" });
    expect([result.stdout, result.stderr]).toEqual([expect.stringContaining("kmemfs check"), ""]);
    return result;
  }

  /** A run that makes the cache. @returns its path */
  async cache(through: readonly string[] = []): Promise<string> {
    await this.help(through);
    const names = this.caches();
    expect(names).toEqual([expect.stringMatching(/^kmemfs\.[0-9a-f]{12}\..*\.cache$/)]);
    return join(this.dist, names[0] ?? "");
  }

  /** Everybody on the way to it may pass. */
  open(): void {
    chmodSync(this.#place, 0o755);
  }
}

/** What V8 would run for the bundle: of another source of the same length, which is all that it compares. */
function forged(dist: string): Buffer {
  const code = join(dist, "kmemfs.code.cjs");
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${readFileSync(code, "latin1")}\n})`;
  const evil = "(function () { console.error('forged') })";
  const script = new Script(evil.padEnd(wrapped.length), { filename: code });
  const data = script.createCachedData();
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32(data));
  return Buffer.concat([data, checksum]);
}

it("the first process keeps it, others may not write it, and the next one takes it", async () => {
  using installation = new Installation();
  const cache = await installation.cache(["sh", "-c", 'umask 0; exec "$0" "$@"']);
  const before = lstatSync(cache);
  expect(before.mode & 0o777).toBe(0o644);
  await installation.help();
  expect(lstatSync(cache).ino).toBe(before.ino);
});

const others: Readonly<Record<string, (cache: string) => void>> = {
  "that others may write": (cache) => chmodSync(cache, 0o666),
  "that a group may write": (cache) => chmodSync(cache, 0o664),
  ...(isRoot ? { "of another user": (cache: string) => chownSync(cache, NOBODY, NOBODY) } : {}),
  "behind a link": (cache) => {
    renameSync(cache, `${cache}.aside`);
    symlinkSync(`${cache}.aside`, cache);
  },
};
for (const [what, change] of Object.entries(others)) {
  it(`one ${what} is not taken, but replaced`, async () => {
    using installation = new Installation();
    const cache = await installation.cache();
    writeFileSync(cache, forged(installation.dist));
    change(cache);
    await installation.help();
    const { mode, uid } = lstatSync(cache);
    expect([mode & 0o177777, uid]).toEqual([0o100644, process.getuid?.()]);
  });
}

it("a damaged one is not taken, but replaced: V8 would run it", async () => {
  using installation = new Installation();
  const cache = await installation.cache();
  const whole = readFileSync(cache);
  const flipped = Buffer.from(whole);
  flipped[whole.length >> 1] = ~(whole[whole.length >> 1] ?? 0);
  const zeros = Buffer.from(whole).fill(0, 4096);
  for (const damaged of [flipped, zeros, whole.subarray(0, 4096), whole.subarray(0, 3), Buffer.alloc(0)]) {
    writeFileSync(cache, damaged);
    await installation.help();
    expect(readFileSync(cache).length).toBeGreaterThan(4096);
    expect(readFileSync(cache).equals(damaged)).toBe(false);
  }
});

it("one of another version of Node or of the program stays", async () => {
  using installation = new Installation();
  const [cache, words] = [await installation.cache(), "of another"];
  const strangers = [
    cache.replace(process.version, "v19.0.0"),
    cache.replace(/kmemfs\.[0-9a-f]{12}/, "kmemfs.0123456789ab"),
  ];
  for (const stranger of strangers) writeFileSync(stranger, words);
  await installation.help();
  for (const stranger of strangers) expect(readFileSync(stranger, "utf8")).toBe(words);
  expect(installation.caches()).toHaveLength(3);
});

const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const missing = missingOf({ root: true, commands: ["setpriv"] }).join(", ");

it.skipIf(missing !== "")("where it cannot be written nothing is said, and root's is taken", async () => {
  using installation = new Installation();
  installation.open();
  await installation.help(asNobody);
  expect(installation.caches()).toEqual([]);
  const cache = await installation.cache();
  const before = lstatSync(cache);
  await installation.help(asNobody);
  expect(lstatSync(cache).ino).toBe(before.ino);
});
