import { describe, expect, it } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { isMountHelper } from "../../../src/cli/main.js";
import { helperExitCode, parseHelperCall } from "../../../src/cli/mountHelper.js";

describe("isMountHelper", () => {
  it.each(["/sbin/mount.fuse.kmemfs", "mount.kmemfs"])("knows %s", (name) => expect(isMountHelper(name)).toBe(true));
  it.each(["/usr/bin/kmemfs", "/x/bin/kmemfs.js", undefined])("is not %s", (name) =>
    expect(isMountHelper(name)).toBe(false),
  );
});

describe("parseHelperCall", () => {
  it("reads what mount(8) passes", () => {
    expect(parseHelperCall(["none", "/mnt/x", "-o", "rw,size=1G", "-t", "fuse.kmemfs"])).toMatchObject({
      pool: "none",
      directory: "/mnt/x",
      raw: { readOnly: false, size: "1G" },
      fake: false,
    });
  });

  it("reads clustered flags before and after the operands", () => {
    const call = parseHelperCall(["-sfnv", "/srv/pool", "/mnt/x", "-o", "what-is-this,ro"]);
    expect(call).toMatchObject({ pool: "/srv/pool", directory: "/mnt/x", raw: { readOnly: true }, fake: true });
  });

  it("joins several -o lists", () => {
    expect(parseHelperCall(["p", "d", "-o", "size=1G", "-osize=2G,create"]).raw).toEqual({
      size: "2G",
      create: true,
    });
  });

  it("honours -r and -w", () => {
    expect(parseHelperCall(["p", "d", "-r"]).raw).toEqual({ readOnly: true });
    expect(parseHelperCall(["p", "d", "-w"]).raw).toEqual({ readOnly: false });
  });

  it.each([
    [["p"], "missing required argument"],
    [[], "missing required argument"],
    [["p", "d", "e"], "too many arguments"],
    [["p", "d", "-Z"], "unknown option"],
    [["p", "d", "-o", "bogus"], "unknown mount option"],
    [["p", "d", "-N", "/proc/1/ns/mnt"], "another namespace"],
  ])("refuses %j", (args, message) => {
    expect(() => parseHelperCall(args)).toThrow(message);
  });
});

describe("helperExitCode", () => {
  it.each([
    [new UserError("x", "wrong", { exitCode: 2 }), 1],
    [new UserError("x", "not yours", { code: "EACCES" }), 1],
    [new UserError("x", "busy", { code: "EBUSY" }), 32],
    [new Error("a bug"), 2],
  ])("is mount(8)'s for %s", (error, code) => {
    expect(helperExitCode(error)).toBe(code);
  });
});
