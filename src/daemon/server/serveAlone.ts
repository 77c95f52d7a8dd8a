/**
 * The main thread serves, and keeps house between requests, as long as there is little
 * to do: a serving thread of its own costs 7.5 MiB, whether it serves or not.
 */
import { threadId } from "../../linux/proc/threads.js";
import type { ThreadStack } from "./compose.js";
import type { Housekeeping } from "./housekeeping.js";
import { preferThisThread } from "./priority.js";
import { serveOne } from "./serveLoop.js";

/** Requests after which the event loop gets its turn. */
const REQUESTS_A_TURN = 32;
/**
 * So many requests a second, and so long … One thread alone answers one caller half as fast as several
 * that wait, as the scheduler leaves it on the CPU where the caller is not (docs/decisions/0006).
 */
const BUSY_RATE = 1_000;
const BUSY_MS = 200;
/** … or one that took so long: others would have waited for it. */
const LONG_MS = 20;

/** When it is time for threads. */
export class Load {
  private windowMs = 0;
  private requests = 0;
  private busyMs = 0;
  private hasLong = false;

  /** @param nowMs when the first window begins */
  constructor(nowMs: number) {
    this.windowMs = nowMs;
  }

  request(tookMs: number): void {
    this.requests++;
    if (tookMs > LONG_MS) this.hasLong = true;
  }

  /** Ends a window, and begins the next. */
  window(nowMs: number): void {
    const lengthMs = nowMs - this.windowMs;
    this.busyMs = this.requests * 1_000 >= BUSY_RATE * lengthMs ? this.busyMs + lengthMs : 0;
    this.windowMs = nowMs;
    this.requests = 0;
  }

  get isHigh(): boolean {
    return this.hasLong || this.busyMs >= BUSY_MS;
  }
}

/**
 * Serves until the session ends, or others do: `relief`, asked in every period of the housekeeping.
 * @returns the relief; null when the session has ended
 * @throws AssertionError as `serveOne`
 */
export async function serveAlone<Relief>(
  stack: ThreadStack,
  housekeeping: Housekeeping,
  relief: (load: Load) => Relief | null,
): Promise<Relief | null> {
  stack.beat.attach(threadId());
  // A request that is to be read may be gone by then: its caller was killed.
  stack.channel.setBlocking(false);
  preferThisThread();
  const found = await serveUntil(stack, housekeeping, relief);
  preferThisThread(false);
  stack.channel.setBlocking(true);
  stack.beat.detach();
  return found;
}

async function serveUntil<Relief>(
  stack: ThreadStack,
  { periodMs, run }: Housekeeping,
  relief: (load: Load) => Relief | null,
): Promise<Relief | null> {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  let nowMs = performance.now();
  let dueMs = nowMs + periodMs;
  const load = new Load(nowMs);
  for (let requests = 0; ; ) {
    if (nowMs >= dueMs) {
      run();
      nowMs = performance.now();
      load.window(nowMs);
      const found = relief(load);
      if (found !== null) return found;
      dueMs = nowMs + periodMs;
    }
    if (!stack.channel.isReadable(dueMs - nowMs)) {
      await turn();
      nowMs = performance.now();
      continue;
    }
    const begunMs = performance.now();
    if (!serveOne(stack)) return null;
    nowMs = performance.now();
    load.request(nowMs - begunMs);
    if (++requests % REQUESTS_A_TURN === 0) await turn();
  }
}
