import { describe, expect, it } from "vitest";
import { parseId, parseOwner } from "../../../src/cli/owner.js";

const TABLE = "root:x:0:0:root:/root:/bin/sh\nkvm:x:104:\n+nis\n\nbad:x:many:\n42:x:7:\n";
const root = { root: true };
const user = { root: false, uid: 1000, groups: [1000, 104] };

describe("parseId", () => {
  it.each([
    ["0", 0],
    ["104", 104],
    ["4294967294", 4294967294],
    ["root", 0],
    ["kvm", 104],
    // A number is a number, whatever somebody is called.
    ["42", 42],
  ])("reads %s", (text, id) => expect(parseId(text, TABLE)).toBe(id));

  it.each(["", "-1", "1.5", "0x1", "4294967295", "99999999999", "kv", "nobody", "bad", "+nis", " kvm"])(
    "knows nobody by %j",
    (text) => expect(parseId(text, TABLE)).toBeNull(),
  );
});

describe("parseOwner", () => {
  it("has only what was said", () => {
    expect(parseOwner({}, root)).toEqual({});
    expect(parseOwner({ uid: "root", gid: "0", mode: "0660" }, root)).toEqual({ uid: 0, gid: 0, mode: 0o660 });
  });

  it.each([
    ["0", 0],
    ["644", 0o644],
    ["07777", 0o7777],
    ["0000600", 0o600],
  ])("reads the mode %s", (mode, value) => expect(parseOwner({ mode }, root)).toEqual({ mode: value }));

  it.each(["", "8", "10000", "77777", "0o600", "u=rw", "-1"])("refuses the mode %j", (mode) => {
    expect(() => parseOwner({ mode }, root)).toThrow(`mode ${mode}: not a mode`);
  });

  it("lets a user name himself and his groups", () => {
    expect(parseOwner({ uid: "1000", gid: "104", mode: "640" }, user)).toEqual({ uid: 1000, gid: 104, mode: 0o640 });
    expect(() => parseOwner({ uid: "0" }, user)).toThrow("uid 0: without root only you can own the disk");
    expect(() => parseOwner({ gid: "0" }, user)).toThrow("gid 0: you are not in that group");
    expect(() => parseOwner({ gid: "1" }, { root: false })).toThrow("gid 1: you are not in that group");
  });
});
