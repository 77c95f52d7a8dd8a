/** In a user namespace uid 0 is somebody's root, not the machine's: its mounts keep their state apart from root's. */
import { readdirSync, rmSync } from "node:fs";
import { expect } from "vitest";
import { type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";
import { USER, userPlace } from "../support/userPlace.js";

const { it } = requires({
  root: true,
  fuse: true,
  commands: ["fusermount3", "setpriv", "unshare", "nsenter"],
  files: ["/proc/self/ns/user", "/etc/passwd"],
});

/** The whole life of a mount, each command a process of its own. */
const LIFE = `
  "$0" "$1" mount "$2" --size 16M &&
  "$0" "$1" status "$2" -J &&
  dd if=/dev/urandom of="$2/disk" bs=1M count=2 conv=notrunc status=none &&
  "$0" "$1" doctor "$2" >/dev/null; "$0" "$1" unmount "$2" &&
  ls -A "$2"`;

/** The commands in a user namespace of `nobody`, beside a disk of root; that one stays as it is. */
async function lifeBesideRoot(place: Place, environment: (state: string) => string[]): Promise<string> {
  const { directory, user } = await userPlace(place);
  // Not before that: a copy of the mount in the other namespace would keep it from ending.
  const roots = await place.mount({ size: "16M", name: "roots" });
  const before = readdirSync("/run/kmemfs").sort();
  const command = ["unshare", "-Urm", "sh", "-c", LIFE, process.execPath, kmemfsProgram, directory];
  const lived = await user(["env", ...environment(place.path("state")), ...command], { allowFail: true });
  expect(lived.stderr).toBe("");
  expect(lived.status).toBe(0);
  expect(lived.stdout).toContain(`"mountpoint": "${directory}"`);
  expect(lived.stdout).not.toContain(roots.directory);
  expect(readdirSync("/run/kmemfs").sort()).toEqual(before);
  expect((await roots.status()).mountpoint).toBe(roots.directory);
  await roots.unmount();
  return lived.stdout;
}

it("mount, status, unmount below XDG_RUNTIME_DIR", () =>
  withPlace(async (place) => {
    await lifeBesideRoot(place, () => []);
    expect(readdirSync(place.path("state/kmemfs"))).not.toEqual([]);
  }));

it("and without it below the temporary directory, called by the uid outside", () =>
  withPlace(async (place) => {
    await lifeBesideRoot(place, (state) => ["-u", "XDG_RUNTIME_DIR", `TMPDIR=${state}`]);
    expect(readdirSync(place.path("state"))).toEqual([`kmemfs-${USER}`]);
  }));

it("a directory there that others made, or may change, is refused, and nothing is to be removed", () =>
  withPlace(async (place) => {
    const { directory, user } = await userPlace(place);
    const state = place.path("state");
    const mount = async (): Promise<string> => {
      const command = ["unshare", "-Urm", process.execPath, kmemfsProgram, "mount", directory, "--size", "16M"];
      const environment = ["-u", "XDG_RUNTIME_DIR", `TMPDIR=${state}`];
      const { status, stderr } = await user(["env", ...environment, ...command], { allowFail: true });
      expect(status).toBe(1);
      expect(stderr).not.toMatch(/\brm\b/);
      return stderr;
    };
    const own = `${state}/kmemfs-${USER}`;
    await run("mkdir", ["-m", "700", own]);
    expect(await mount()).toMatch(/belongs to another user \(EPERM\)\ntry: set XDG_RUNTIME_DIR/);
    rmSync(own, { recursive: true });
    await user(["mkdir", "-m", "755", own]);
    expect(await mount()).toMatch(/is open to other users \(EPERM\)\ntry: chmod 0700/);
    rmSync(own, { recursive: true });
    await user(["ln", "-s", directory, own]);
    expect(await mount()).toMatch(/is not a directory/);
    rmSync(own);
    await run("chmod", ["0777", state]);
    expect(await mount()).toMatch(/anybody can replace what is in it \(EPERM\)/);
  }));
