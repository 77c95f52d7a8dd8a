import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { parsePool, toMountOptions } from "../../../src/cli/mountOptions.js";
import { parseOptionList } from "../../../src/cli/optionList.js";
import type { RawOptions } from "../../../src/mounts/optionTable.js";

const root = { root: true, directory: "/home/me" };
const user = { root: false, directory: "/home/me", own: { uid: 1000, gids: [1000, 27] } };
const place = { mountpoint: "/mnt/x", fuseDirectory: "/mnt/x" };
const options = (words: RawOptions, pool?: string) => toMountOptions(pool, place, words, root);
const ofUser = (list: string) => toMountOptions("memfd", place, parseOptionList(list), user);

describe("parseOptionList", () => {
  it("reads every option that the flags know", () => {
    expect(
      parseOptionList("size=1G,max-size=2G,pool-size=512M,create,ro,io=served,workers=2,debug,foreground,allow_other"),
    ).toEqual({
      size: "1G",
      maxSize: "2G",
      poolSize: "512M",
      create: true,
      readOnly: true,
      io: "served",
      workers: "2",
      debug: true,
      foreground: true,
      allowOther: true,
    });
  });

  it.each(["", ",", ",,", "defaults", "rw,defaults", "noauto,nofail,_netdev,user,exec,nosuid,nodev,noatime,relatime"])(
    "asks for nothing with %j",
    (text) => {
      const { readOnly = false, ...rest } = parseOptionList(text);
      expect([readOnly, rest]).toEqual([false, {}]);
    },
  );

  it("takes what is so anyway", () => {
    expect(parseOptionList("async,dirsync,silent,loud,nomand,noiversion,nosymfollow")).toEqual({});
    expect(parseOptionList("nonempty,allow_root,uid=1,gid=disk,mode=660,fsname=scratch")).toEqual({
      nonEmpty: true,
      allowRoot: true,
      uid: "1",
      gid: "disk",
      mode: "660",
      fsname: "scratch",
    });
  });

  it("takes what mount(8) adds when it remounts", () => {
    const added =
      "rw,nosuid,nodev,relatime,remount,user_id=0,group_id=0,default_permissions,max_read=4096,blksize=4096";
    expect(parseOptionList(`${added},context="a,b"`)).toEqual({ readOnly: false, remount: true });
  });

  it("skips x-* and comments, whatever they say", () => {
    expect(
      parseOptionList('x-systemd.requires=/srv,X-mount.mkdir=0700,comment=size=1G,x-a="b,size=3G",size=1G'),
    ).toEqual({
      size: "1G",
    });
  });

  it("lets the later of two count", () => {
    expect(parseOptionList("ro,rw")).toEqual({ readOnly: false });
    expect(parseOptionList("rw,ro,size=1G,size=2G")).toEqual({ readOnly: true, size: "2G" });
  });

  it.each([
    ["sizes=1G", '-o sizes=1G: unknown mount option "sizes"'],
    ["user_id=0", '-o user_id=0: unknown mount option "user_id"'],
    ["remount=1", "-o remount=1: the option takes no value"],
    ["__proto__", '-o __proto__: unknown mount option "__proto__"'],
    ["constructor=1", '-o constructor=1: unknown mount option "constructor"'],
    ["sync", "-o sync: this is up to the file system on the disk"],
    ["mand", "-o mand: Linux has had no mandatory locks since 5.15"],
    ["iversion", "-o iversion: the disk is one file without versions"],
    ["size", "-o size: the value is missing"],
    ["create=yes", "-o create=yes: the option takes no value"],
  ])("refuses %s and names it", (text, message) => {
    expect(() => parseOptionList(text)).toThrow(message);
  });

  it("skips what it does not know when mount(8) is sloppy", () => {
    expect(parseOptionList("frobnicate=1,size=1G", true)).toEqual({ size: "1G" });
  });

  it("never throws anything but a usage error", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseOptionList(text);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          expect((error as UserError).exitCode).toBe(2);
        }
      }),
    );
  });
});

describe("parsePool", () => {
  it.each(["none", "tmpfs", "kmemfs"])("takes %s for the private tmpfs", (name) => {
    expect(parsePool(name, root)).toEqual({ kind: "tmpfs" });
  });
  it("has a default that the caller's rights allow", () => {
    expect(parsePool(undefined, root)).toEqual({ kind: "tmpfs" });
    expect(parsePool(undefined, user)).toEqual({ kind: "memfd" });
  });
  it("makes paths absolute", () => {
    expect(parsePool("pool", user)).toEqual({ kind: "path", path: "/home/me/pool" });
    expect(parsePool("./tmpfs", user)).toEqual({ kind: "path", path: "/home/me/tmpfs" });
    expect(parsePool("/dev/dax0.0", user)).toEqual({ kind: "path", path: "/dev/dax0.0" });
  });
  it("refuses an empty one", () => {
    expect(() => parsePool("", root)).toThrow("empty");
  });
});

describe("toMountOptions", () => {
  it("fills in the defaults and leaves out what was not said", () => {
    expect(options({})).toEqual({
      pool: { kind: "tmpfs" },
      source: "kmemfs",
      mountpoint: "/mnt/x",
      fuseDirectory: "/mnt/x",
      create: false,
      readOnly: false,
      atomicWrites: false,
      durable: false,
      io: "auto",
      restarts: 5,
      watchdogSeconds: 10,
      spare: true,
      allowOther: false,
      debug: false,
      foreground: false,
    });
  });

  it.each([
    ["none", "none"],
    ["tmpfs", "tmpfs"],
    ["memfd", "memfd"],
    ["pool", "/home/me/pool"],
    [undefined, "kmemfs"],
  ])("has the word of fstab's first field as the source: %s", (pool, source) => {
    expect(options({}, pool).source).toBe(source);
  });

  it("has another source on request, which is no other pool's path", () => {
    expect(options({ fsname: "scratch" }, "/srv/pool").source).toBe("scratch");
    expect(options({ fsname: "/srv/pool" }, "/srv/pool").source).toBe("/srv/pool");
    expect(() => options({ fsname: "/srv/pool" })).toThrow("fsname /srv/pool: a name that begins with /");
    expect(() => options({ fsname: "" })).toThrow("fsname: the name is empty");
  });

  it("lets in whom root names, and everybody only then", () => {
    expect(options({ uid: "1000", gid: "0", mode: "0640" })).toMatchObject({ uid: 1000, gid: 0, mode: 0o640 });
    for (const list of ["uid=1", "gid=1", "mode=604", "allow_other"]) {
      expect(options(parseOptionList(list)).allowOther, list).toBe(true);
    }
    for (const list of ["uid=0", "gid=0", "mode=600", "allow_root"]) {
      expect(options(parseOptionList(list)).allowOther, list).toBe(false);
    }
  });

  it("lets a user name himself alone", () => {
    expect(ofUser("uid=1000,gid=27,mode=660")).toMatchObject({ uid: 1000, gid: 27, mode: 0o660, allowOther: false });
    expect(() => ofUser("uid=0")).toThrow("uid 0: only root can give a disk to another user (EPERM)");
    expect(() => ofUser("gid=0")).toThrow("gid 0: you are not in this group (EPERM)");
    expect(() => ofUser("allow_root")).toThrow("-o allow_root: FUSE can admit all other users or none");
    expect(ofUser("allow_root,allow_other").allowOther).toBe(true);
  });

  it("takes what concerns the server", () => {
    const words = parseOptionList("restarts=0,watchdog=30,nospare");
    expect(options(words)).toMatchObject({ restarts: 0, watchdogSeconds: 30, spare: false });
    expect(() => options({ restarts: "-1" })).toThrow("restarts -1: not a number");
    expect(() => options({ watchdog: "1h" })).toThrow("watchdog 1h: not a number");
  });

  it("takes a NUMA node, as a flag and as an option", () => {
    expect(options({ numaNode: "0" })).toMatchObject({ numaNode: 0 });
    expect(options(parseOptionList("numa-node=12"))).toMatchObject({ numaNode: 12 });
    for (const text of ["", "-1", "1.5", "0x1", "all", "10000"]) {
      expect(() => options({ numaNode: text }), text).toThrow(`numa-node ${text}: not the number of a NUMA node`);
    }
    expect(() => options({ numaNode: "0", readOnly: true })).toThrow(/a read-only mount allocates no memory/);
  });

  it("is frozen, and survives JSON", () => {
    const made = options({ size: "1G", workers: "2" }, "/srv/pool");
    expect(Object.isFrozen(made) && Object.isFrozen(made.pool)).toBe(true);
    expect(JSON.parse(JSON.stringify(made))).toEqual(made);
  });

  it("reads sizes in whole pages", () => {
    expect(options({ size: "4GB", maxSize: "8G", poolSize: "1M" })).toMatchObject({
      sizeBytes: 976_562 * 4096,
      maxSizeBytes: 8 * 1024 ** 3,
      poolSizeBytes: 1024 ** 2,
    });
  });

  it.each([
    [{ size: "1X" }, "size 1X: not a size"],
    [{ size: "" }, "empty"],
    [{ size: "2G", maxSize: "1G" }, "size 2G: larger than max-size 1G"],
    [{ size: "0%" }, "size 0%: the size is zero"],
    [{ uid: "nobody-there" }, "uid nobody-there: no such user (EINVAL)"],
    [{ gid: "nobody-there" }, "gid nobody-there: no such group (EINVAL)"],
    [{ uid: "4294967295" }, "uid 4294967295: larger than"],
    [{ mode: "8" }, "mode 8: not an octal mode"],
    [{ mode: "17777" }, "mode 17777: not an octal mode"],
    [{ io: "fast" }, "io fast: not an I/O mode"],
    [{ workers: "0" }, "workers 0: not a number of threads"],
    [{ workers: "65" }, "workers 65"],
    [{ workers: "two" }, "workers two"],
    [{ workers: "-1" }, "workers -1"],
  ])("refuses %j", (words, message) => {
    expect(() => options(words)).toThrow(message);
  });
});
