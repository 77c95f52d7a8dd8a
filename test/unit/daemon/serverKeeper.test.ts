import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { backoffMs, type KeeperParts, ServerKeeper } from "../../../src/daemon/holder/serverKeeper.js";
import type { ServerEnd } from "../../../src/daemon/holder/serverProcess.js";
import { HEARTBEAT_WORDS, Heartbeats } from "../../../src/daemon/session/heartbeats.js";
import { CLOSED, END, FakeServer, READY, refusal } from "../../support/fakeServer.js";

function makeKeeper(changes: Partial<KeeperParts> = {}) {
  const servers: FakeServer[] = [];
  const logged: string[] = [];
  const awaited: { readonly count: number; readonly tell: () => void }[] = [];
  /** Resolves when so many servers were started. */
  const launched = (count: number): Promise<void> =>
    new Promise((resolve) => {
      awaited.push({ count, tell: resolve });
      tellOfLaunches();
    });
  const tellOfLaunches = (): void => {
    for (const { count, tell } of awaited) if (servers.length >= count) tell();
  };
  const log = (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const keeper = new ServerKeeper({
    launch: (isRestart, standby) => {
      const server = new FakeServer(servers.length + 1, isRestart, standby);
      servers.push(server);
      tellOfLaunches();
      return server;
    },
    whyLast: () => null,
    missingProgram: () => null,
    isOver: () => false,
    beats: new Heartbeats(new Int32Array(HEARTBEAT_WORDS)),
    wasServed: false,
    mostDeaths: 3,
    hangMs: 0,
    log: { info: log, warn: log, error: log },
    mountpoint: "/m",
    ...changes,
  });
  return { keeper, servers, logged, launched };
}

const settle = () => sleep(5);

it("starts another server for one that died, and counts", async () => {
  const { keeper, servers, logged } = makeKeeper();
  expect(keeper.pid).toBe(null);
  servers[0].serve();
  expect(await keeper.ready).toBe(READY);
  await settle();
  expect([keeper.pid, keeper.restarts, keeper.lastDeath]).toEqual([1, 0, null]);
  servers[0].end({ ...END, message: "a bug" });
  await settle();
  expect([keeper.pid, keeper.restarts, keeper.lastDeath]).toEqual([null, 1, "was killed by SIGKILL: a bug"]);
  expect(servers[1]).toMatchObject({ isRestart: true, standby: false });
  servers[1].serve();
  await settle();
  expect(keeper.pid).toBe(2);
  expect(logged.join()).toMatch(/the server was killed by SIGKILL: a bug; the next one takes over/);
  servers[1].end(CLOSED);
  expect(await keeper.ended).toBe(CLOSED);
  expect(servers.length).toBe(2);
});

it("gives up after so many deaths in a minute, and says so", async () => {
  const { keeper, servers } = makeKeeper();
  servers[0].serve();
  for (let i = 0; i < 4; i++) {
    servers[i].serve();
    await settle();
    servers[i].end(END);
    await settle();
  }
  expect(await keeper.ended).toMatchObject({ closed: false, message: "4 deaths within a minute" });
  expect([servers.length, keeper.restarts]).toEqual([4, 3]);
});

it("does not go on where a server refuses, or the kernel cannot, or it was told not to", async () => {
  const refusing = makeKeeper();
  refusing.servers[0].end({
    ...END,
    exitCode: 1,
    signal: null,
    refusal: refusal("no pool", "look"),
    message: "no pool",
  });
  await expect(refusing.keeper.ready).rejects.toThrow("no pool");
  expect((await refusing.keeper.ended).refusal).toMatchObject({ reason: "no pool", options: { cure: "look" } });
  const old = makeKeeper({ whyLast: () => "too old" });
  old.servers[0].serve();
  await settle();
  await expect(old.keeper.replace()).rejects.toThrow("too old");
  old.servers[0].end(END);
  expect((await old.keeper.ended).message).toBe("too old");
  const abandoned = makeKeeper();
  abandoned.servers[0].serve();
  abandoned.keeper.abandon();
  expect(await abandoned.keeper.ended).toBe(END);
  for (const { servers } of [refusing, old, abandoned]) expect(servers.length).toBe(1);
});

it("starts no other server for one that could not close the pool, however much was allowed", async () => {
  const { keeper, servers } = makeKeeper({ mostDeaths: 1000 });
  servers[0].serve();
  await settle();
  const end = { ...END, exitCode: 1, signal: null, unclosed: true, message: "pool: it is damaged" };
  servers[0].end(end);
  expect(await keeper.ended).toBe(end);
  expect(servers.length).toBe(1);
});

it("goes on after a refusal by the first server of a session that goes on", async () => {
  const { keeper, servers } = makeKeeper({ wasServed: true });
  expect(servers[0]).toMatchObject({ isRestart: true, standby: false });
  servers[0].end({ ...END, exitCode: 1, refusal: refusal("no memory (ENOMEM)"), message: "no memory (ENOMEM)" });
  await settle();
  expect(servers[1]).toMatchObject({ isRestart: true, standby: false });
  servers[1].serve();
  expect(await keeper.ready).toBe(READY);
  // One whose servers refuse again and again ends all the same.
  const hopeless = makeKeeper({ wasServed: true, mostDeaths: 1 });
  for (let i = 0; i < 2; i++) {
    hopeless.servers[i].end({ ...END, refusal: refusal("no pool"), message: "no pool" });
    await settle();
  }
  await expect(hopeless.keeper.ready).rejects.toThrow("no pool; 2 deaths within a minute");
});

it("takes nothing for its first server's that another holder's left in the beats", async () => {
  const words = new Int32Array(HEARTBEAT_WORDS).fill(1);
  const beats = new Heartbeats(words);
  let seen = -1;
  const { servers } = makeKeeper({
    beats,
    wasServed: true,
    launch: (isRestart, standby) => {
      seen = words.filter((word) => word !== 0).length;
      return new FakeServer(1, isRestart, standby);
    },
  });
  expect(servers.length).toBe(0);
  // Neither that it is to drain, nor a request that nobody will end.
  expect([seen, beats.isQuiet, beats.isClosing]).toEqual([0, true, false]);
});

it("replaces a server when the new one stands by, and tells it after the old one is gone", async () => {
  const { keeper, servers } = makeKeeper();
  servers[0].serve();
  await settle();
  const replaced = keeper.replace();
  await settle();
  const [old, next] = servers;
  expect(next).toMatchObject({ isRestart: true, standby: true, told: false });
  await expect(keeper.replace()).rejects.toThrow("already starting");
  next.standBy();
  await settle();
  expect(await Promise.race([old.ended, "alive"])).toBe(END);
  await settle();
  expect(next.told).toBe(true);
  next.serve();
  expect(await replaced).toBeGreaterThanOrEqual(0);
  expect([keeper.pid, keeper.restarts, keeper.lastDeath]).toEqual([2, 1, "was replaced"]);
});

it("keeps the old server when the new one cannot go on", async () => {
  const { keeper, servers } = makeKeeper();
  servers[0].serve();
  await settle();
  const replaced = keeper.replace();
  servers[1].end({ ...END, exitCode: 1, refusal: refusal("another version"), message: "another version" });
  await expect(replaced).rejects.toThrow("another version");
  expect([keeper.pid, keeper.restarts]).toEqual([1, 0]);
  // And another try is possible.
  keeper.replace().catch(() => {});
  expect(servers.length).toBe(3);
  servers[0].end(CLOSED);
  expect(await keeper.ended).toBe(CLOSED);
  expect(await servers[2].ended).toBe(END);
});

it("follows a server that died by the spare at once, and has another one stand by", async () => {
  const { keeper, servers } = makeKeeper();
  servers[0].serve();
  await keeper.ready;
  keeper.keepSpare(0);
  await settle();
  expect(servers[1]).toMatchObject({ isRestart: true, standby: true, told: false });
  servers[0].end(END);
  await settle();
  expect([servers.length, servers[1].told, keeper.lastDeath]).toEqual([2, true, "was killed by SIGKILL"]);
  servers[1].serve();
  await settle();
  expect([servers.length, keeper.pid, keeper.restarts]).toEqual([3, 2, 1]);
  // One that dies while it stands by is not missed, until the next one serves.
  servers[2].end(END);
  await settle();
  servers[1].end(END);
  await settle();
  expect(servers[3]).toMatchObject({ standby: false });
  servers[3].serve();
  await settle();
  expect(servers.length).toBe(5);
  const replaced = keeper.replace();
  expect(await servers[4].ended).toBe(END);
  servers[5].standBy();
  servers[5].serve();
  await replaced;
  await settle();
  expect([servers.length, keeper.pid]).toEqual([7, 6]);
  servers[5].end(CLOSED);
  expect(await keeper.ended).toBe(CLOSED);
  expect(await servers[6].ended).toBe(END);
});

it("tells nobody to drain when the old server died while the next one came up", async () => {
  const words = new Int32Array(HEARTBEAT_WORDS);
  const { keeper, servers } = makeKeeper({ beats: new Heartbeats(words) });
  servers[0].serve();
  await settle();
  const replaced = keeper.replace();
  servers[0].end(END);
  await settle();
  servers[1].standBy();
  await settle();
  expect(words.every((word) => word === 0)).toBe(true);
  servers[1].serve();
  await replaced;
  expect([keeper.pid, keeper.lastDeath]).toEqual([2, "was killed by SIGKILL"]);
});

it("goes on after a refusal in a session that was served, and gives a start that fails more and more time", async () => {
  const { keeper, servers, launched } = makeKeeper({ mostDeaths: 10 });
  servers[0].serve();
  await keeper.ready;
  servers[0].end(END);
  await launched(2);
  servers[1].end({ ...END, refusal: refusal("no pool") });
  await launched(3);
  servers[2].end(END);
  await launched(4);
  const waits = [1, 2, 3, 4, 100].map(backoffMs);
  expect(waits).toEqual(waits.toSorted((a, b) => a - b));
  expect(new Set(waits).size).toBe(waits.length);
  keeper.abandon();
  expect(await keeper.ended).toBe(END);
});

it("waits while there is nothing to start, counts no death for it, and says what it waits for", async () => {
  let missing: string | null = null;
  const { keeper, servers, logged, launched } = makeKeeper({ mostDeaths: 1, missingProgram: () => missing });
  servers[0].serve();
  await settle();
  missing = "the program is missing: /opt/x.js";
  await expect(keeper.replace()).rejects.toThrow("restart: the program is missing: /opt/x.js (ENOENT)");
  expect(servers.length).toBe(1);
  servers[0].end(END);
  await settle();
  expect([servers.length, keeper.pid, keeper.waitsFor, keeper.restarts]).toEqual([1, null, missing, 1]);
  expect(keeper.lastDeath).toBe("was killed by SIGKILL; the program is missing: /opt/x.js");
  missing = null;
  await launched(2);
  // Found, and not whole.
  const unloaded: ServerEnd = { ...END, exitCode: 1, signal: null, unloaded: true, message: "a module is missing" };
  for (let tries = 1; tries < 4; tries++) {
    servers.at(-1)?.end(unloaded);
    await launched(2 + tries);
  }
  expect(keeper.lastDeath).toBe("was killed by SIGKILL; a module is missing");
  expect(logged.filter((line) => line.includes("no server can be started: a module is missing"))).toHaveLength(1);
  servers.at(-1)?.serve();
  await settle();
  expect([keeper.pid, keeper.waitsFor, keeper.restarts]).toEqual([5, null, 1]);
  servers.at(-1)?.end(CLOSED);
  expect(await keeper.ended).toBe(CLOSED);
});

it("ends while it waits for something to start, as soon as nobody needs it", async () => {
  for (const how of ["abandoned", "over"]) {
    let isOver = false;
    const { keeper, servers } = makeKeeper({
      missingProgram: () => "the program is missing: /x",
      isOver: () => isOver,
    });
    servers[0].serve();
    await settle();
    servers[0].end(END);
    await settle();
    if (how === "over") isOver = true;
    else keeper.abandon();
    expect(await keeper.ended).toMatchObject({ signal: "SIGKILL", message: "the program is missing: /x" });
    expect(servers.length).toBe(1);
  }
});

it("does not wait for a program in a session that nobody served yet, and has no spare without one", async () => {
  const first = makeKeeper();
  first.servers[0].end({ ...END, exitCode: 1, signal: null, unloaded: true, message: "a module is missing" });
  await expect(first.keeper.ready).rejects.toThrow("a module is missing");
  const { keeper, servers } = makeKeeper({ missingProgram: () => "the program is missing: /x" });
  servers[0].serve();
  await settle();
  keeper.keepSpare(0);
  await settle();
  expect(servers.length).toBe(1);
  servers[0].end(CLOSED);
  await keeper.ended;
});
