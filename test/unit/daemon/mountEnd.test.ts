/** How a mount's end is put off and settled; its session is a pipe, which is over when nobody reads it. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { type EndParts, MountEnd } from "../../../src/daemon/holder/mountEnd.js";
import type { Session } from "../../../src/daemon/holder/session.js";
import { closeDeadlineMs } from "../../../src/mounts/deadlines.js";

let directory = "";
let [reader, writer] = [-1, -1];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-end-"));
  const path = join(directory, "pipe");
  execFileSync("mkfifo", [path]);
  reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  writer = openSync(path, constants.O_WRONLY);
});

afterEach(() => {
  vi.useRealTimers();
  endSession();
  closeSync(writer);
  rmSync(directory, { recursive: true });
});

function endSession(): void {
  if (reader >= 0) closeSync(reader);
  reader = -1;
}

function makeEnd(changes: Partial<EndParts> = {}) {
  const told: string[] = [];
  const tell = (word: string) => () => void told.push(word);
  const log = (_fields: object, message: string) => void told.push(message);
  // Its device is unknown: it is mounted nowhere.
  const session = { directory, connection: null, channelFds: [writer] } as unknown as Session;
  const end: MountEnd = new MountEnd({
    mountpoint: "/m",
    log: { info: log, warn: log, error: log },
    session: () => session,
    isDurable: () => false,
    serverPid: () => null,
    abandon: tell("abandon"),
    stop: (force) => end.stop(force),
    settled: tell("settled"),
    isAwaited: false,
    ...changes,
  });
  return { end, told };
}

it("a session that somebody keeps out of sight is refused, and nobody is told of an end", async () => {
  const { end, told } = makeEnd();
  await expect(end.stop(false)).rejects.toThrow("something that cannot be found still uses it");
  expect([end.isBegun, told]).toEqual([false, []]);
  endSession();
  await end.stop(false);
  expect([end.isBegun, told]).toEqual([true, ["settled"]]);
  end.close();
});

it("a signal does not force a session that lives on out of sight", async () => {
  const { end, told } = makeEnd();
  expect(await end.takeDown("SIGTERM")).toBe(false);
  expect(end.forced).toBe(false);
  expect(told).not.toContain("stopping it by force");
  expect(told).not.toContain("settled");
});

it("what keeps an end by force from happening refuses it, and is no bug", async () => {
  const stop = (force: boolean): Promise<void> =>
    Promise.reject(new UserError("unmount /m", force ? "tmpfs (mine) is mounted over it" : "still in use"));
  const { end, told } = makeEnd({ stop });
  expect(await end.takeDown("SIGTERM")).toBe(false);
  expect(told).toContain("stopping it by force");
  expect(told.at(-1)).toBe("not stopped: it is in use, and stopping it would harm its users");
  expect(end.isBegun).toBe(false);
});

it("an end by force is not put off by one in order", async () => {
  vi.useFakeTimers();
  const { end, told } = makeEnd({ isDurable: () => true });
  await end.stop(true);
  endSession();
  await end.stop(false);
  vi.advanceTimersByTime(closeDeadlineMs(true, true));
  expect(told).toContain("abandon");
  end.close();
});

it("however often it is asked for, the server is watched once", async () => {
  vi.useFakeTimers();
  endSession();
  const { end, told } = makeEnd();
  for (let i = 0; i < 3; i++) await end.stop(false);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(closeDeadlineMs(false, false));
  expect(told.filter((word) => word === "abandon")).toHaveLength(1);
  for (let i = 0; i < 3; i++) await end.stop(false);
  end.close();
  expect(vi.getTimerCount()).toBe(0);
});
