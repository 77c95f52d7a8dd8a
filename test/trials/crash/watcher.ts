/** At each moment of a run: which of the states that a crash could leave are built and judged. */
import type { Random } from "../../support/random.js";
import type { Choice, CrashMemory } from "./crashMemory.js";
import type { Crash } from "./judge.js";
import { PlainMemory } from "./plainMemory.js";

/** Up to so many changes each subset of them is built, now and then. */
const SUBSET_CHANGES = 6;
const BIASES = [0, 1, 0.5, 0.9, 0.1];

export class Watcher {
  states = 0;
  /** Thrown again at the next moment: some callers take any error for one of the medium. */
  private failed: unknown = null;
  private readonly left: PlainMemory;

  /** @param judge throws for what must not be left */
  constructor(
    private readonly memory: CrashMemory,
    private readonly random: Random,
    private readonly judge: (left: PlainMemory, crash: Crash) => void,
  ) {
    this.left = new PlainMemory(memory.pageCount, memory.metadataPages, memory.kind);
    memory.onMoment = (within) => this.look(within);
  }

  private look(within: boolean): void {
    const { random, memory } = this;
    if (this.failed !== null) throw this.failed;
    if (random.chance(0.3)) {
      memory.leaveKilled(this.left, random, random.chance(0.4));
      this.judgeLeft("killed");
    }
    // In a file what a call has stored is pending at the next moment still.
    if (within && memory.kind === "file") return;
    const { pending } = memory;
    if (pending === 0) {
      if (random.chance(0.05)) this.cut({ metadata: 1, data: 1, mask: null });
    } else if (pending <= SUBSET_CHANGES && random.chance(2 / 2 ** pending)) {
      for (let mask = 0; mask < 2 ** pending; mask++) this.cut({ metadata: 0, data: 0, mask });
    } else {
      for (let i = 0; i < 2; i++) this.cut({ metadata: this.bias(), data: this.bias(), mask: null });
    }
  }

  private bias(): number {
    return this.random.chance(0.2) ? this.random.next() : this.random.pick(BIASES);
  }

  private cut(choice: Choice): void {
    this.memory.leaveCut(this.left, this.random, choice);
    this.judgeLeft("cut");
  }

  private judgeLeft(crash: Crash): void {
    this.states++;
    // Where stores are durable one by one, what is acknowledged survives the power too.
    try {
      this.judge(this.left, this.memory.kind === "store" ? "killed" : crash);
    } catch (error) {
      this.failed = error;
      throw error;
    }
  }
}
