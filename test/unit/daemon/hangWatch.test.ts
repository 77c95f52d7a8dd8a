import { expect, it } from "vitest";
import { HangWatch } from "../../../src/daemon/holder/hangWatch.js";
import { HEARTBEAT_WORDS, Heartbeat, Heartbeats } from "../../../src/daemon/session/heartbeats.js";
import { parseThread, type ThreadState, threadId } from "../../../src/linux/proc/threads.js";

const AT_REST: ThreadState = { isWaitingForIo: false, isTraced: false, isRunnable: false, userMs: 0, systemMs: 0 };

/** A server with a main thread (0) and two workers, on a clock of its own. */
function makeServer(limitMs = 1000) {
  const words = new Int32Array(HEARTBEAT_WORDS);
  const beats = [0, 1, 2].map((thread) => new Heartbeat(words, thread));
  for (const [thread, beat] of beats.entries()) beat.attach(100 + thread);
  const states = new Map<number, ThreadState>();
  const watch = new HangWatch(9, new Heartbeats(words), limitMs, (_pid, tid) => states.get(tid) ?? AT_REST);
  let nowMs = 0;
  /** What the watch says first within so long. The main thread goes on meanwhile. */
  const pass = (ms: number, goesOn = true, each: () => void = () => {}): string | null => {
    for (const end = nowMs + ms; nowMs < end; ) {
      nowMs += 100;
      if (goesOn) {
        beats[0].begin();
        beats[0].end();
      }
      each();
      const found = watch.look(nowMs);
      if (found !== null) return found;
    }
    return null;
  };
  const sleep = (ms: number): void => {
    nowMs += ms;
  };
  return { words, beats, states, pass, sleep };
}

it("threads that wait for requests do not hang", () => {
  expect(makeServer().pass(60_000)).toBe(null);
});

it("a thread that is at one request for too long hangs, and one that does many does not", () => {
  const server = makeServer();
  server.beats[2].begin();
  const busy = () => {
    server.beats[2].end();
    server.beats[2].begin();
  };
  expect(server.pass(10_000, true, busy)).toBe(null);
  expect(server.pass(900)).toBe(null);
  expect(server.pass(400)).toBe("its thread 2 was unresponsive for 1 s");
});

it("a main thread that does not go on hangs", () => {
  const server = makeServer();
  server.pass(500);
  expect(server.pass(5_000, false)).toBe("its main thread was unresponsive for 1 s");
});

it("whoever waits for a disk, is traced, or has the kernel work for it does not hang", () => {
  for (const state of [{ isWaitingForIo: true }, { isTraced: true }]) {
    const server = makeServer();
    server.beats[1].begin();
    server.states.set(101, { ...AT_REST, ...state });
    expect(server.pass(20_000)).toBe(null);
    server.states.delete(101);
    expect(server.pass(20_000)).toMatch(/thread 1/);
  }
  const punching = makeServer();
  punching.beats[1].begin();
  let systemMs = 0;
  const work = (): void => {
    systemMs += 50;
    punching.states.set(101, { ...AT_REST, systemMs });
  };
  expect(punching.pass(20_000, true, work)).toBe(null);
  expect(punching.pass(20_000)).toMatch(/thread 1/);
});

it("who waits for such a one does not hang either", () => {
  const server = makeServer();
  server.beats[1].begin();
  server.beats[2].begin();
  server.states.set(102, { ...AT_REST, isWaitingForIo: true });
  expect(server.pass(20_000)).toBe(null);
});

it("those that queue for a disk, one after the other, do not hang; for ever they may not", () => {
  const server = makeServer();
  const [, first, second] = server.beats;
  first.begin();
  server.states.set(102, { ...AT_REST, isWaitingForIo: true });
  const flush = (): void => {
    second.end();
    second.begin();
  };
  second.begin();
  expect(server.pass(5_500, true, flush)).toBe(null);
  expect(server.pass(2_000, true, flush)).toMatch(/thread 1/);
});

it("who gets no CPU does not hang, and who only runs does", () => {
  const server = makeServer();
  server.beats[1].begin();
  server.states.set(101, { ...AT_REST, isRunnable: true });
  expect(server.pass(20_000)).toBe(null);
  let userMs = 0;
  const spin = (): void => {
    userMs += 100;
    server.states.set(101, { ...AT_REST, isRunnable: true, userMs });
  };
  expect(server.pass(20_000, true, spin)).toMatch(/thread 1/);
});

it("a server that starts may take long, as long as it works", () => {
  const words = new Int32Array(HEARTBEAT_WORDS);
  let userMs = 0;
  const watch = new HangWatch(9, new Heartbeats(words), 1000, (_pid, tid) => ({
    ...AT_REST,
    userMs: tid === 9 ? userMs : 0,
  }));
  let nowMs = 0;
  const pass = (ms: number, worksMs: number): string | null => {
    for (const end = nowMs + ms; nowMs < end; ) {
      nowMs += 100;
      userMs += worksMs;
      const found = watch.look(nowMs);
      if (found !== null) return found;
    }
    return null;
  };
  expect(pass(60_000, 50)).toBe(null);
  expect(pass(5_000, 0)).toBe(null);
  expect(pass(3_000, 0)).toMatch(/main thread/);
  const closing = new Heartbeat(words, 0);
  closing.attach(9);
  closing.close();
  expect(pass(60_000, 0)).toBe(null);
});

it("what happened while nobody looked counts for nothing", () => {
  const server = makeServer();
  server.beats[1].begin();
  server.pass(800);
  server.sleep(3_600_000);
  expect(server.pass(900)).toBe(null);
  expect(server.pass(400)).toMatch(/thread 1/);
});

it("a server is quiet when no thread is busy, and told to drain", () => {
  const words = new Int32Array(HEARTBEAT_WORDS);
  const beats = new Heartbeats(words);
  const beat = new Heartbeat(words, 3);
  beat.attach(7);
  beat.begin();
  expect([beats.isQuiet, beat.isDraining]).toEqual([false, false]);
  beats.drain();
  beat.end();
  expect([beats.isQuiet, beat.isDraining]).toEqual([true, true]);
  beats.clear();
  expect([beats.threads(), beat.isDraining]).toEqual([[], false]);
});

it("reads what /proc says of a thread", () => {
  const text = "71 (a ) b) D 1 71 71 0 -1 4194560 1 0 0 0 12 345 0 0 20 0 1 0 100 1 1\n";
  expect(parseThread(text)).toEqual({
    isWaitingForIo: true,
    isTraced: false,
    isRunnable: false,
    userMs: 120,
    systemMs: 3450,
  });
  expect(threadId()).toBeGreaterThan(0);
});
