/** A command that is run again and again beside a trial, until it is told to stop or fails. */
import type { Place } from "../../support/place.js";
import type { Background } from "../../support/processes.js";
import { pause, within } from "../load/within.js";

const KILL_MS = 5_000;

export class Repeated {
  /** Runs that ended well. */
  count = 0;
  #isStopped = false;
  #failure: Error | null = null;
  #current: Background | null = null;
  readonly #ended: Promise<void>;

  /**
   * @param name for messages
   * @param begin starts the command for the given time
   * @param pauseMs from the end of one run to the next
   * @param limitMs what one run may take
   */
  constructor(
    place: Place,
    private readonly name: string,
    private readonly begin: (round: number) => Background,
    private readonly pauseMs: number,
    private readonly limitMs: number,
  ) {
    place.cleanup.add(name, () => this.#kill());
    this.#ended = this.#repeat();
  }

  /** @throws Error of the run that failed, if one did */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Lets the run that goes on end. @throws Error when it fails, or another one did */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
    this.check();
  }

  async #repeat(): Promise<void> {
    try {
      for (let round = 0; !this.#isStopped; round++) {
        const child = this.begin(round);
        this.#current = child;
        const status = await within(this.limitMs, `${this.name} to end`, child.exited);
        if (status !== 0) {
          const said = `${child.stdout()}\n${child.stderr()}`.trim().slice(-2000);
          throw new Error(`${this.name} ends with ${status}: ${said}`);
        }
        this.count++;
        if (!this.#isStopped) await pause(this.pauseMs);
      }
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  /** When a trial is cut short: one that hangs in the kernel is not waited for. */
  async #kill(): Promise<void> {
    this.#isStopped = true;
    const child = this.#current;
    if (child !== null) await within(KILL_MS, `${this.name} to be killed`, child.stop(1_000)).catch(() => undefined);
  }
}
