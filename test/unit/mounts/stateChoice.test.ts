import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Caller, chooseStateDirectory, flawOf, type Look, type Place } from "../../../src/mounts/stateChoice.js";
import { projectRoot } from "../../support/project.js";

const INITIAL = "         0          0 4294967295\n";
/** `unshare -Ur` of user 1000; what the host's root owns is then of 65534. */
const MAPPED = "         0       1000          1\n";
const NOBODY = 65534;

const directory = (uid: number, isWritable: boolean, mode = 0o700): Place => ({
  isDirectory: true,
  uid,
  mode: 0o040000 | mode,
  isWritable,
});
const file = (uid: number): Place => ({ isDirectory: false, uid, mode: 0o100600, isWritable: true });

/** A machine with these places; `/` and /tmp are on each. */
function look(places: Readonly<Record<string, Place>>, rootUid = 0): Look {
  const all: Record<string, Place> = {
    "/": directory(rootUid, false, 0o755),
    "/tmp": directory(rootUid, true, 0o1777),
    ...places,
  };
  return (path) => all[path] ?? null;
}

const caller = (uid: number, uidMap: string, runtime?: string): Caller => ({ uid, uidMap, runtime, temporary: "/tmp" });

describe("root", () => {
  it.each([INITIAL, "", null])("has /run/kmemfs, whatever XDG_RUNTIME_DIR says (%j)", (uidMap) => {
    const root = { ...caller(0, "", "/run/user/0"), uidMap };
    for (const places of [{}, { "/run/kmemfs": directory(5, true) }, { "/run/user/0": directory(0, true) }]) {
      expect(chooseStateDirectory(root, look(places))).toBe("/run/kmemfs");
    }
  });
});

describe("uid 0 in another user namespace", () => {
  /** The host's /run, with a disk of its root. */
  const host = { "/run": directory(NOBODY, false, 0o755), "/run/kmemfs": directory(NOBODY, false) };
  const home = { ...host, "/run/user/1000": directory(0, true) };

  it("leaves the state of the host's root alone", () => {
    expect(chooseStateDirectory(caller(0, MAPPED, "/run/user/1000"), look(home))).toBe("/run/user/1000/kmemfs");
    expect(chooseStateDirectory(caller(0, MAPPED), look(home))).toBe("/run/user/1000/kmemfs");
    expect(chooseStateDirectory(caller(0, MAPPED), look(host))).toBe("/tmp/kmemfs-1000");
    expect(chooseStateDirectory(caller(0, MAPPED), look({ "/run": host["/run"] }))).toBe("/tmp/kmemfs-1000");
  });
  it("chooses the same once it is made", () => {
    const made = { ...home, "/run/user/1000/kmemfs": directory(0, true) };
    expect(chooseStateDirectory(caller(0, MAPPED), look(made))).toBe("/run/user/1000/kmemfs");
  });
  it("has /run/kmemfs in a container, where /run is its own", () => {
    const own = { "/run": directory(0, true, 0o755) };
    expect(chooseStateDirectory(caller(0, MAPPED, "/x"), look(own))).toBe("/run/kmemfs");
    const made = { ...own, "/run/kmemfs": directory(0, true) };
    expect(chooseStateDirectory(caller(0, MAPPED, "/x"), look(made))).toBe("/run/kmemfs");
  });
  it("keeps to one that somebody opened to others meanwhile, which is refused and named", () => {
    const open = { ...home, "/run/user/1000/kmemfs": directory(0, true, 0o755) };
    expect(chooseStateDirectory(caller(0, MAPPED), look(open))).toBe("/run/user/1000/kmemfs");
    expect(flawOf(open["/run/user/1000/kmemfs"], 0)).toBe("open");
    expect([flawOf(directory(0, true), 0), flawOf(directory(1, true), 0), flawOf(file(0), 0)]).toEqual([
      null,
      "foreign",
      "other",
    ]);
  });
  it("makes nothing in a /run that everybody may write", () => {
    const shared = { "/run": directory(NOBODY, true, 0o1777) };
    expect(chooseStateDirectory(caller(0, MAPPED), look(shared))).toBe("/tmp/kmemfs-1000");
  });
  it("finds its uid outside among several ranges", () => {
    const map = "0 100000 1000\n1000 1000 1\n1001 101001 64535\n";
    expect(chooseStateDirectory(caller(0, map), look(host))).toBe("/tmp/kmemfs-100000");
    expect(chooseStateDirectory(caller(1002, map), look(host))).toBe("/tmp/kmemfs-101002");
  });
});

describe("a user", () => {
  const runtime = { "/run/user/7": directory(7, true) };
  it.each([
    ["XDG_RUNTIME_DIR", "/x", { ...runtime, "/x": directory(7, true) }, "/x/kmemfs"],
    ["one whose parents are missing", "/tmp/a/b", runtime, "/tmp/a/b/kmemfs"],
    ["/run/user/UID without it", undefined, runtime, "/run/user/7/kmemfs"],
    ["that where it is another's, as after sudo -u", "/run/user/0", { ...runtime, "/run/user/0": directory(0, false) }],
    ["that where somebody made ours", "/x", { ...runtime, "/x": directory(7, true), "/x/kmemfs": directory(8, true) }],
    ["that where it is no directory", "/x", { ...runtime, "/x": file(7) }],
    ["that where it is relative", "x", { ...runtime, x: directory(7, true) }],
    ["the temporary directory without either", undefined, {}, "/tmp/kmemfs-7"],
  ] as const)("has %s", (_name, xdg, places, expected = "/run/user/7/kmemfs") => {
    expect(chooseStateDirectory(caller(7, INITIAL, xdg), look(places))).toBe(expected);
  });
});

it("no message advises to remove what may be the state of running disks", () => {
  const sources = readdirSync(join(projectRoot, "src"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const advising = sources.filter((name) => {
    const text = readFileSync(join(projectRoot, "src", name), "utf8");
    return /["'`](sudo )?rm -/.test(text);
  });
  // There it is the directory of a pool, by the name that the caller gave it.
  expect(advising).toEqual(["media/formatPath.ts"]);
});
