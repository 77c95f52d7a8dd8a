/** What a thread of the trial and its watcher share: figures, and the input that is being executed now. */
import type { Reached } from "./execute.js";
import { MOST_INPUT_BYTES } from "./generate.js";

const WORDS = { executions: 0, inputLength: 1, keptInputs: 2, takenBranches: 3, slowestUs: 4, reached: 8 } as const;
const INPUT_AT = 128;
export const REACHED: readonly Reached[] = ["refused", "shown", "served", "rehomed", "direct", "recovered", "repaired"];

type Figure = Exclude<keyof typeof WORDS, "reached" | "inputLength">;

export class Status {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(readonly shared = new SharedArrayBuffer(INPUT_AT + MOST_INPUT_BYTES)) {
    this.words = new Int32Array(shared);
    this.bytes = new Uint8Array(shared);
  }

  get(figure: Figure): number {
    return Atomics.load(this.words, WORDS[figure]);
  }

  set(figure: Figure, value: number): void {
    Atomics.store(this.words, WORDS[figure], value);
  }

  /** Before an execution: what it is of, should it never end. */
  begin(input: Uint8Array): void {
    this.bytes.set(input, INPUT_AT);
    Atomics.store(this.words, WORDS.inputLength, input.length);
    Atomics.add(this.words, WORDS.executions, 1);
  }

  count(reached: Reached): void {
    const word = WORDS.reached + REACHED.indexOf(reached);
    this.words[word] = (this.words[word] as number) + 1;
  }

  countOf(reached: Reached): number {
    return Atomics.load(this.words, WORDS.reached + REACHED.indexOf(reached));
  }

  input(): Uint8Array {
    return this.bytes.slice(INPUT_AT, INPUT_AT + Atomics.load(this.words, WORDS.inputLength));
  }
}
