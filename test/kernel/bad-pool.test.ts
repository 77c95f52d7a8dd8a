/** What cannot be a pool is refused by mount and check, each with its cause, and stays as it is. */
import { chmodSync, chownSync, mkdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { expectRefusal, expectRefused } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4"] });

it("mount and check", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("disk");
    const at = (name: string): string => place.path(name);
    const file = (name: string, mode: number): void =>
      writeFileSync(at(name), new Uint8Array(20_000).fill(7), { mode });
    file("noise", 0o600);
    file("open", 0o600);
    chmodSync(at("open"), 0o666);
    file("foreign", 0o600);
    chownSync(at("foreign"), 1234, 1234);
    writeFileSync(at("empty"), "", { mode: 0o600 });
    writeFileSync(at("zeros"), new Uint8Array(20_000), { mode: 0o600 });
    mkdirSync(at("directory"), { mode: 0o700 });
    await place.kmemfs(["format", at("good"), "--size", "1M"]);
    symlinkSync(at("good"), at("link"));
    await run("mkfifo", [at("pipe")]);

    const cases: readonly (readonly [string, RegExp])[] = [
      [at("missing"), /no such file.*\(ENOENT\)$/],
      [`${at("noise")}/below`, /not a directory.*\(ENOTDIR\)$/],
      [at("noise"), /is not a kmemfs pool \(EINVAL\)$/],
      [at("zeros"), /is not a kmemfs pool \(EINVAL\)$/],
      [at("open"), /others could write to it \(EPERM\)$/],
      [at("foreign"), /belongs to user 1234/],
      [at("empty"), /is empty \(EINVAL\)$/],
      [at("directory"), /holds no pool/],
      [at("link"), /is a symbolic link \(ELOOP\)$/],
      [at("pipe"), /is a named pipe \(EINVAL\)$/],
      ["/dev/loop0", /is a block device/],
      // Its mode must not be what is wrong with it: the cure would be chmod.
      ["/dev/null", /not device DAX/],
    ];
    for (const [pool, cause] of cases) {
      const cure = pool.includes("below") ? ({ cure: false } as const) : {};
      await expectRefused(place, { args: ["mount", pool, mountpoint], cause, ...cure });
      if (cause.source.includes("not a kmemfs pool")) {
        const check = await place.refused(["check", pool]);
        expect([check.status, check.stdout]).toEqual([4, expect.stringMatching(/magic at byte 0/)]);
      } else {
        for (const flags of [[], ["-J"]]) {
          await expectRefused(place, { args: ["check", pool, ...flags], cause, code: 8, ...cure });
        }
      }
    }
  }));

it("format destroys neither a pool nor a file system without --force", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const image = place.path("image");
    await place.kmemfs(["format", pool, "--size", "1M"]);
    await place.kmemfs(["format", place.path("split"), "--size", "1M", "--split"]);
    writeFileSync(image, "", { mode: 0o600 });
    truncateSync(image, 2 ** 24);
    await run("mkfs.ext4", ["-q", "-F", image]);
    const sums = [pool, image];
    const before = (await run("sha256sum", sums)).stdout;
    const cases = [
      [pool, /holds a kmemfs pool \(EEXIST\)$/],
      [place.path("split"), /holds a kmemfs pool \(EEXIST\)$/],
      [image, /holds ext/],
    ] as const;
    for (const [path, cause] of cases) {
      await expectRefused(place, { args: ["format", path, "--size", "1M"], cause, cure: /--force/ });
    }
    const { stdout } = await run("sha256sum", sums);
    if (stdout !== before) throw new Error("format changed what it refused");
    for (const [path] of cases) await place.kmemfs(["format", path, "--size", "1M", "--force"]);
    for (const [path] of cases) await place.kmemfs(["check", path]);
  }));

it("format over a file gives it the length that its sizes need, and --pool-size sets it", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const format = async (...args: string[]) => {
      const { stdout } = await place.kmemfs(["format", pool, ...args]);
      await place.kmemfs(["check", pool]);
      return { stdout, bytes: statSync(pool).size };
    };
    const small = await format("--size", "64M");
    const large = await format("--size", "128M", "--force");
    expect(large.bytes).toBeGreaterThan(2 ** 27);
    expect(large.stdout).toMatch(/128\.0 MiB file, 128\./);
    expect((await format("--size", "64M", "--force")).bytes).toBe(large.bytes);
    expect((await format("--pool-size", "32M", "--force")).bytes).toBe(2 ** 25);
    // What cannot be had changes nothing.
    const before = (await run("sha256sum", [pool])).stdout;
    for (const [args, refusal] of [
      [["--label", "x".repeat(65)], { cause: /longer than 64 bytes/, code: 2, cure: false }],
      [["--pool-size", "16M", "--full"], { cause: /does not fit into/ }],
    ] as const) {
      await expectRefused(place, { args: ["format", pool, "--size", "64M", "--force", ...args], ...refusal });
      expect((await run("sha256sum", [pool])).stdout).toBe(before);
    }
    expect((await format("--size", "64M", "--force")).bytes).toBe(small.bytes);
    // Blank files too: `truncate -s`, then format.
    rmSync(pool);
    writeFileSync(pool, "", { mode: 0o600 });
    truncateSync(pool, 2 ** 20);
    expect((await format("--size", "64M")).bytes).toBe(small.bytes);
    // Hardly anything in it is no pool size.
    for (const bytes of [0, 100]) {
      truncateSync(pool, bytes);
      if (bytes > 0) await expectRefused(place, { args: ["format", pool], cause: /holds unrecognised data/ });
      expect((await format("--force")).bytes).toBeGreaterThan(2 ** 27);
    }
  }));

it("a file that cannot be as long as asked is left as it is", () =>
  withPlace(async (place) => {
    const image = place.path("image");
    writeFileSync(image, "", { mode: 0o600 });
    truncateSync(image, 2 ** 26);
    // Files without extents, in blocks of 1 KiB: 16 GiB at most.
    await run("mkfs.ext4", ["-q", "-F", "-b", "1024", "-O", "^extent,^64bit,^has_journal", image]);
    const directory = await place.mountFileSystem("ext4", await place.loop(image));
    const pool = `${directory}/pool`;
    writeFileSync(pool, new Uint8Array(20_000).fill(7), { mode: 0o600 });
    const before = (await run("sha256sum", [pool])).stdout;
    const args = ["format", pool, "--size", "64G", "--force"];
    expectRefusal(await place.refused(args), { cause: /cannot be resized to \d+ bytes \(EFBIG\)$/, cure: false });
    expect((await run("sha256sum", [pool])).stdout).toBe(before);
  }));

it("sizes that the files of a directory do not have, and --split of a file, are refused", () =>
  withPlace(async (place) => {
    const pool = place.path("split");
    const file = place.path("file");
    await place.kmemfs(["format", pool, "--size", "4M", "--split"]);
    await place.kmemfs(["format", file, "--size", "4M"]);
    const sums = async () => (await run("sha256sum", [`${pool}/meta`, `${pool}/data`, file])).stdout;
    const before = await sums();
    for (const sizes of [
      ["--pool-size", "8M"],
      ["--size", "2G"],
    ]) {
      const args = ["format", pool, ...sizes, "--force"];
      await expectRefused(place, { args, cause: /do not fit these sizes/, cure: /rm -r/ });
    }
    const args = ["format", file, "--size", "8M", "--split", "--force"];
    await expectRefused(place, { args, cause: /not a directory.*\(ENOTDIR\)$/, cure: /without --split/ });
    expect(await sums()).toBe(before);
    // An empty meta says nothing of data.
    truncateSync(`${pool}/meta`, 0);
    await run("mkfs.ext4", ["-q", "-F", `${pool}/data`]);
    await expectRefused(place, {
      args: ["format", pool, "--size", "4M", "--split"],
      cause: /holds ext/,
      cure: /--force/,
    });
  }));

it("a directory that a killed format left without data is formatted with --force", () =>
  withPlace(async (place) => {
    for (const names of [["meta"], ["data"], ["meta", "data"]]) {
      const pool = place.path(`half-${names.join("-")}`);
      mkdirSync(pool, { mode: 0o700 });
      for (const name of names) writeFileSync(`${pool}/${name}`, "", { mode: 0o600 });
      if (names.includes("meta")) truncateSync(`${pool}/meta`, 12288);
      const format = ["format", pool, "--size", "4M", "--split"];
      await expectRefused(place, {
        args: format,
        cause: /holds an incomplete pool, whose format was interrupted/,
        cure: /--force/,
      });
      await place.kmemfs([...format, "--force"]);
      await place.kmemfs(["check", pool]);
    }
  }));

it("a directory with data of a pool whose meta is gone is left alone, also with --force", () =>
  withPlace(async (place) => {
    const pool = place.path("split");
    const format = ["format", pool, "--size", "4M", "--split"];
    await place.kmemfs(format);
    writeFileSync(`${pool}/data`, "somebody's");
    rmSync(`${pool}/meta`);
    for (const args of [format, [...format, "--force"]]) {
      await expectRefused(place, {
        args,
        cause: /not empty, and holds no pool \(ENOTEMPTY\)$/,
        cure: /an empty directory/,
      });
    }
    // A pool of which data is empty is a pool.
    await place.kmemfs(["format", place.path("empty"), "--size", "4M", "--split"]);
    truncateSync(place.path("empty/data"), 0);
    const args = ["format", place.path("empty"), "--size", "4M", "--split"];
    await expectRefused(place, { args, cause: /holds a kmemfs pool|has no room for data/, cure: /./ });
    await run("stat", [place.path("empty/meta")]);
  }));
