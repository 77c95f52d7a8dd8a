/** check --repair, --undo, --rebuild-superblock and dump on real files, single and split. */
import { closeSync, copyFileSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { expect } from "vitest";
import { type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, commands: ["flock"] });

const poke = (file: string, at: number, bytes: Uint8Array): void => {
  const fd = openSync(file, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
};

const entry = (low: number, high = 0): Uint8Array => new Uint8Array(new Uint32Array([low, high]).buffer);

const status = async (place: Place, args: readonly string[]): Promise<{ status: number | null; text: string }> => {
  const result = await place.kmemfs(args, { allowFail: true });
  return { status: result.status, text: `${result.stdout}${result.stderr}` };
};

/** A pool of 4 MiB with three kinds of damage. @returns the file with the metadata */
async function damaged(place: Place, pool: string, split: boolean): Promise<string> {
  await place.kmemfs(["format", pool, "--size", "4M", ...(split ? ["--split"] : [])]);
  const meta = split ? `${pool}/meta` : pool;
  // Two index pages, so that the data begin with page 3.
  for (let block = 0; block < 8; block++) poke(meta, 4096 + 8 * block, entry(3 + block));
  poke(split ? `${pool}/data` : meta, split ? 0 : 3 * 4096, new Uint8Array(4096).fill(7));
  poke(meta, 4096 + 8 * 3, entry(3));
  poke(meta, 4096 + 8 * 5, entry(1));
  poke(meta, 2048 + 100, new Uint8Array([0x78]));
  return meta;
}

for (const split of [false, true]) {
  it(`${split ? "a directory" : "one file"}: repaired, clean, put back byte for byte`, () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      const meta = await damaged(place, pool, split);
      copyFileSync(meta, place.path("before"));
      expect((await status(place, ["check", pool])).status).toBe(4);
      const document = JSON.parse((await place.kmemfs(["check", "-J", pool], { allowFail: true })).stdout);
      expect(document.findings.map((one: { kind: string }) => one.kind)).toEqual([
        "superblock-copy",
        "duplicate",
        "range",
      ]);
      expect((await place.kmemfs(["dump", pool])).stdout).toMatch(/DAMAGED range: block 5/);
      JSON.parse((await place.kmemfs(["dump", "-J", pool])).stdout);

      const undo = place.path("undo");
      const repair = await status(place, ["check", "--repair", "--undo-file", undo, pool]);
      expect([repair.status, repair.text]).toEqual([1, expect.stringMatching(/block 3: suspect[\s\S]*block 5: lost/)]);
      expect(statSync(undo).mode & 0o777).toBe(0o600);
      expect((await status(place, ["check", pool])).status).toBe(0);
      // Nothing to repair: no side file.
      expect((await status(place, ["check", "--repair", pool])).status).toBe(0);
      expect(readdirSync(place.directory).filter((name) => name.includes("undo"))).toEqual(["undo"]);

      const other = place.path("other");
      await place.kmemfs(["format", other, "--size", "8M"]);
      expect((await status(place, ["check", "--undo", undo, other])).status).toBe(8);
      expect((await status(place, ["check", "--undo", undo, pool])).status).toBe(1);
      expect(readFileSync(meta).equals(readFileSync(place.path("before")))).toBe(true);
      // It is kept, so it is not written over.
      expect((await status(place, ["check", "--repair", "--undo-file", undo, pool])).status).toBe(8);
      expect(readFileSync(meta).equals(readFileSync(place.path("before")))).toBe(true);
    }));

  it(`${split ? "a directory" : "one file"}: a destroyed superblock is made anew only on demand`, () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      const meta = await damaged(place, pool, split);
      poke(meta, 0, new Uint8Array(4096));
      const refused = await status(place, ["check", "--repair", pool]);
      expect([refused.status, refused.text]).toEqual([4, expect.stringMatching(/try: .*--rebuild-superblock/)]);
      expect(
        readFileSync(meta)
          .subarray(0, 4096)
          .every((byte) => byte === 0),
      ).toBe(true);
      expect((await status(place, ["check", "--repair", "--rebuild-superblock", pool])).status).toBe(1);
      const { stdout } = await place.kmemfs(["dump", pool]);
      expect(stdout).toMatch(/blocks 0-4 -> pages 3-7 \(home\)/);
      expect(stdout).toMatch(/indexEntries 1024\n {2}blocks 1024/);
    }));
}

it("a pool that is in use is not repaired, and wrong usage is 16", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await damaged(place, pool, false);
    const locked = ["-n", pool, process.execPath, "bin/kmemfs.js", "check", "--repair", pool];
    expect((await run("flock", locked, { allowFail: true })).status).toBe(8);
    expect((await status(place, ["check", "--size", "4M", pool])).status).toBe(16);
  }));
