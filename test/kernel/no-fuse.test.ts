/** Without /dev/fuse, or without the right to it, a mount says so and leaves nothing. */
import { chownSync } from "node:fs";
import { expect } from "vitest";
import { withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["unshare", "setpriv"] });

const NOBODY = 65534;
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];

it("/dev/fuse is missing", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("disk");
    const devices = place.makeDirectory("dev");
    for (const [name, minor] of [
      ["null", "3"],
      ["zero", "5"],
      ["urandom", "9"],
    ] as const) {
      await run("mknod", ["-m", "666", `${devices}/${name}`, "c", "1", minor]);
    }
    const line = `mount --bind ${devices} /dev && exec "$0" "$@"`;
    const command = [process.execPath, kmemfsProgram, "mount", directory, "--size", "16M"];
    const result = await run("unshare", ["-m", "sh", "-c", line, ...command], { allowFail: true });
    expectRefusal(result, { cause: /\/dev\/fuse.*\(ENOENT\)$/ });
    await place.expectNothingLeft();
  }));

it("a user without fusermount3", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("disk");
    const state = place.makeDirectory("state");
    for (const path of [place.directory, directory, state]) chownSync(path, NOBODY, NOBODY);
    const empty = place.makeDirectory("empty");
    chownSync(empty, NOBODY, NOBODY);
    const command = [process.execPath, kmemfsProgram, "mount", directory, "--size", "16M"];
    const env = { PATH: empty, XDG_RUNTIME_DIR: state, HOME: state };
    const result = await run("/usr/bin/setpriv", [...AS_NOBODY, ...command], { allowFail: true, env });
    expectRefusal(result, { cause: /fusermount3/, cure: /fuse3/ });
    await place.expectNothingLeft();
  }));

it("a user for a private tmpfs, for another's directory, for up and demo", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("disk");
    const state = place.makeDirectory("state");
    const others = place.makeDirectory("others");
    for (const path of [place.directory, directory, state]) chownSync(path, NOBODY, NOBODY);
    const env = { XDG_RUNTIME_DIR: state, HOME: state };
    const cases = [
      [["mount", "tmpfs", directory, "--size", "16M"], /private tmpfs.*\(EPERM\)$/],
      [["mount", others, "--size", "16M"], /\((EACCES|EPERM)\)$/],
      [["up", directory, "--size", "64M"], /needs root/],
      [["demo"], /needs root/],
    ] as const;
    for (const [args, cause] of cases) {
      const command = [process.execPath, kmemfsProgram, ...args];
      const result = await run("setpriv", [...AS_NOBODY, ...command], { allowFail: true, env });
      expectRefusal(result, { cause });
    }
    const listed = await run("find", [state, "-name", "*.sock"]);
    expect(listed.stdout).toBe("");
    await place.expectNothingLeft();
  }));
