/**
 * The holder without a kernel to serve: its servers are fakes, its session is a pipe, which is
 * over when nobody reads it, and its pool is a memfd. Needs no root.
 */
import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { EndSignals } from "../../../src/daemon/holder/endSignals.js";
import { Holder } from "../../../src/daemon/holder/holder.js";
import type { Mount } from "../../../src/daemon/holder/openMount.js";
import { Service } from "../../../src/daemon/holder/service.js";
import type { Session } from "../../../src/daemon/holder/session.js";
import { initAttributes, readConfig, SESSION_BYTES } from "../../../src/daemon/session/sessionMemory.js";
import { FUSE_HAS_RESEND } from "../../../src/fuse/abi.js";
import { NO_SERVICE } from "../../../src/linux/process/notify.js";
import { sharedMemory } from "../../../src/linux/process/sharedMemory.js";
import { openPool } from "../../../src/media/openPool.js";
import { callControl } from "../../../src/mounts/control.js";
import { takeName } from "../../../src/mounts/mountName.js";
import type { MountOptions } from "../../../src/mounts/options.js";
import { diskPaths, makeStateDirectory } from "../../../src/mounts/stateDirectory.js";
import type { MountStatus } from "../../../src/mounts/status.js";
import { CLOSED, END, FakeServer, refusal } from "../../support/fakeServer.js";

/** Against a hang: however loaded the machine is, an answer comes sooner. */
const WAIT_MS = 60_000;
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "uncaughtException"] as const;

let directory = "";
let reader = -1;
let listeners: Map<string, unknown[]>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-holder-"));
  makeStateDirectory();
  listeners = new Map(SIGNALS.map((name) => [name, process.listeners(name as "SIGTERM")]));
});

afterEach(() => {
  endSession();
  for (const name of SIGNALS) {
    for (const listener of process.listeners(name as "SIGTERM")) {
      if (listeners.get(name)?.includes(listener) === false) process.off(name, listener);
    }
  }
  rmSync(directory, { recursive: true });
});

/** The last user of the mount is gone. */
function endSession(): void {
  if (reader >= 0) closeSync(reader);
  reader = -1;
}

function pipeSession(): Session {
  const path = join(directory, "pipe");
  execFileSync("mkfifo", [path]);
  reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  return {
    directory,
    // Its device is unknown: it is mounted nowhere.
    connection: null,
    init: { minor: 40, flags: 0, flags2: FUSE_HAS_RESEND } as unknown as Session["init"],
    channelFds: [fd],
    passthrough: { kind: "unavailable", reason: "a pipe is served", cure: "none" },
  };
}

function optionsOf(changes: Partial<MountOptions>): MountOptions {
  return {
    pool: { kind: "memfd" },
    source: "memfd",
    mountpoint: join(directory, "mnt"),
    fuseDirectory: directory,
    sizeBytes: 1 << 20,
    create: false,
    readOnly: false,
    io: "auto",
    atomicWrites: false,
    durable: false,
    restarts: 3,
    spare: false,
    watchdogSeconds: 0,
    allowOther: false,
    debug: false,
    foreground: false,
    ...changes,
  };
}

function makeHolder(changes: Partial<MountOptions> = {}, begins: Partial<Mount> = {}) {
  const options = optionsOf(changes);
  const name = takeName(options.mountpoint);
  const memory = sharedMemory(SESSION_BYTES);
  initAttributes(memory.bytes, options);
  const stored: string[] = [];
  const mount: Mount = {
    options,
    name,
    memory,
    pool: openPool(options),
    session: pipeSession(),
    facts: { io: null, ioReason: null, wasUnclean: false, damage: null, refused: [], restarts: 0, lastDeath: null },
    givenUp: null,
    isInUse: false,
    store: async () => void stored.push("stored"),
    ...begins,
  };
  const logged: string[] = [];
  const write = (_fields: object, message: string): void => void logged.push(message);
  const log = { info: write, warn: write, error: write };
  const servers: FakeServer[] = [];
  const signals = new EndSignals();
  const holder = new Holder(mount, log, new Service(NO_SERVICE, log), signals, {
    start: ({ standby }) => {
      const server = new FakeServer(servers.length + 1, servers.length > 0, standby);
      servers.push(server);
      return server;
    },
    missingProgram: () => null,
  });
  const status = async () =>
    (await callControl(diskPaths(options.mountpoint).socket, "GET", "/status", WAIT_MS)) as MountStatus;
  const ask = (url: string) => callControl(diskPaths(options.mountpoint).socket, "POST", url, WAIT_MS);
  return { holder, options, servers, logged, stored, status, ask, mount };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

/** Nothing of a mount is left: its name can be taken again, and nobody answers for it. */
function expectNothingLeft({ mountpoint }: MountOptions): void {
  expect(existsSync(diskPaths(mountpoint).socket)).toBe(false);
  takeName(mountpoint).release();
}

it("begins: stores what the next holder needs, then a server serves, and it answers", async () => {
  const { holder, options, servers, stored, status, logged } = makeHolder();
  const started = holder.start();
  await until(() => servers.length === 1);
  expect(stored).toEqual(["stored"]);
  expect(existsSync(diskPaths(options.mountpoint).socket)).toBe(false);
  servers[0].serve();
  await started;
  expect(await status()).toMatchObject({ mountpoint: options.mountpoint, io: "served", serverPid: 1, restarts: 0 });
  expect(logged).toEqual(["mounted"]);
  const ended = holder.untilEnd();
  endSession();
  servers[0].end(CLOSED);
  expect(await ended).toBe(0);
  expectNothingLeft(options);
});

it("a start that its server refuses leaves nothing behind, and says why", async () => {
  const { holder, options, servers } = makeHolder();
  const started = holder.start();
  await until(() => servers.length === 1);
  servers[0].end({ ...END, exitCode: 1, signal: null, refusal: refusal("no such feature", "a newer kmemfs") });
  const error = await started.then(
    () => null,
    (reason: unknown) => reason as UserError,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error?.message).toBe("memfd: cannot be mounted: no such feature");
  expect(error?.options.cure).toBe("a newer kmemfs");
  expectNothingLeft(options);
});

it("a server that dies is followed, and the one after it inherits the session", async () => {
  const { holder, servers, status, options, mount } = makeHolder();
  const started = holder.start();
  await until(() => servers.length === 1);
  expect(readConfig(mount.memory.bytes).isRestart).toBe(false);
  servers[0].serve();
  await started;
  const ended = holder.untilEnd();
  servers[0].end(END);
  await until(() => servers.length === 2);
  expect(readConfig(mount.memory.bytes).isRestart).toBe(true);
  expect((await status()).serverPid).toBeNull();
  servers[1].serve();
  await until(() => holder.disk.serving.keeper?.pid === 2);
  expect(await status()).toMatchObject({ serverPid: 2, restarts: 1, lastDeath: "was killed by SIGKILL" });
  endSession();
  servers[1].end(CLOSED);
  expect(await ended).toBe(0);
  expectNothingLeft(options);
});

it("resumes: its first server is a successor, and a signal meanwhile ends nothing", async () => {
  const facts = { io: "served", restarts: 2, lastDeath: "was killed along with its holder" } as const;
  const before = { ioReason: null, wasUnclean: false, damage: null, refused: [] };
  const { holder, servers, logged, status, options, mount } = makeHolder(
    {},
    { isInUse: true, facts: { ...before, ...facts } },
  );
  const started = holder.start();
  await until(() => servers.length === 1);
  expect(readConfig(mount.memory.bytes).isRestart).toBe(true);
  process.emit("SIGTERM");
  servers[0].serve();
  await started;
  expect(logged).toContain("took over the mount of a holder that was killed");
  expect(await status()).toMatchObject({ serverPid: 1, restarts: 2, lastDeath: facts.lastDeath });
  // Now that it serves, the signal counts: nobody uses it, so it is unmounted in order.
  const ended = holder.untilEnd();
  endSession();
  servers[0].end(CLOSED);
  expect(await ended).toBe(0);
  expect(logged).toContain("stopping");
  expectNothingLeft(options);
});

it("a signal while a new mount starts undoes it", async () => {
  const { holder, servers, options } = makeHolder();
  const started = holder.start();
  await until(() => servers.length === 1);
  process.emit("SIGINT");
  await expect(started).rejects.toThrow(/stopped by SIGINT \(EINTR\)/);
  expectNothingLeft(options);
});

it("a stop that is refused changes nothing: when its servers are given up after it, the pool is still kept", async () => {
  const { holder, servers, ask, options } = makeHolder({ restarts: 0 });
  const started = holder.start();
  await until(() => servers.length === 1);
  servers[0].serve();
  await started;
  const ended = holder.untilEnd();
  await expect(ask("/stop")).rejects.toThrow(/something that cannot be found still uses it \(EBUSY\)/);
  servers[0].end(END);
  await until(() => holder.disk.givenUp !== null);
  await ask("/stop");
  expect(await ended).toBe(0);
  expectNothingLeft(options);
});

it("a pool in memory whose servers are given up is kept until it is let go", async () => {
  const { holder, servers, status, ask, options, logged } = makeHolder({ restarts: 0 });
  const started = holder.start();
  await until(() => servers.length === 1);
  servers[0].serve();
  await started;
  const ended = holder.untilEnd();
  servers[0].end(END);
  await until(() => holder.disk.givenUp !== null);
  expect(servers.length).toBe(1);
  expect(await status()).toMatchObject({
    serverPid: null,
    givenUp: expect.stringContaining("1 death within a minute"),
  });
  await expect(ask("/restart")).rejects.toThrow("ENOTCONN");
  await ask("/stop");
  expect(await ended).toBe(0);
  expect(logged.some((line) => line.includes("its pool is kept"))).toBe(true);
  expectNothingLeft(options);
});
