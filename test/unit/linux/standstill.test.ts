/** What /proc and the cgroups say of a process that stands still, on recorded text. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { standstillOf, startTicksOf } from "../../../src/linux/proc/standstill.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "kmemfs-still-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** @param state field 3 of the stat file */
function process7(state: string, facts: { cgroup?: string; wchan?: string } = {}): void {
  put("/proc/7/stat", `7 (kmemfs /mnt) x) ${state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 4711 99 1\n`);
  put("/proc/7/cgroup", facts.cgroup ?? "0::/\n");
  put("/proc/7/wchan", facts.wchan ?? "ep_poll");
}

const V1 = "37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n";
const V2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";

it("one that sleeps or runs stands still for nobody; a zombie and one that is gone neither", () => {
  for (const state of ["S", "R", "D", "Z"]) {
    process7(state);
    expect(standstillOf(7, root)).toBeNull();
  }
  expect(standstillOf(8, root)).toBeNull();
});

it("stopped, by a signal or a debugger", () => {
  for (const state of ["T", "t"]) {
    process7(state);
    expect(standstillOf(7, root)).toEqual({ state: "stopped" });
  }
});

it("frozen, v1: the cgroup that was told to is the one to thaw", () => {
  put("/proc/self/mountinfo", V1);
  process7("D", { cgroup: "6:freezer:/box/inner\n0::/\n", wchan: "__refrigerator" });
  const at = "/sys/fs/cgroup/freezer/box";
  put(`${at}/inner/freezer.state`, "FROZEN\n");
  put(`${at}/inner/freezer.self_freezing`, "0\n");
  put(`${at}/freezer.self_freezing`, "1\n");
  const thaw = { file: `${at}/freezer.state`, word: "THAWED" };
  expect(standstillOf(7, root)).toEqual({ state: "frozen", thaw });
  put(`${at}/inner/freezer.state`, "FREEZING\n");
  expect(standstillOf(7, root)).toEqual({ state: "frozen", thaw });
  put(`${at}/inner/freezer.state`, "THAWED\n");
  put("/proc/7/wchan", "ep_poll");
  expect(standstillOf(7, root)).toBeNull();
});

it("frozen, v2, whatever state that leaves it in", () => {
  put("/proc/self/mountinfo", V2);
  process7("S", { cgroup: "0::/box\n" });
  put("/sys/fs/cgroup/box/cgroup.events", "populated 1\nfrozen 0\n");
  expect(standstillOf(7, root)).toBeNull();
  put("/sys/fs/cgroup/box/cgroup.events", "populated 1\nfrozen 1\n");
  put("/sys/fs/cgroup/box/cgroup.freeze", "1\n");
  const thaw = { file: "/sys/fs/cgroup/box/cgroup.freeze", word: "0" };
  expect(standstillOf(7, root)).toEqual({ state: "frozen", thaw });
});

it("frozen in a cgroup that is not to be seen: by where it sleeps", () => {
  for (const wchan of ["__refrigerator", "do_freezer_trap"]) {
    process7("S", { wchan, cgroup: "6:freezer:/docker/x\n0::/\n" });
    expect(standstillOf(7, root)).toEqual({ state: "frozen", thaw: null });
  }
});

it("the start is field 22, whatever the name is", () => {
  process7("S");
  expect(startTicksOf(7, root)).toBe("4711");
  expect(startTicksOf(8, root)).toBeNull();
});
