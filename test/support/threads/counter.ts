/** Counts up under a mutex, in two words that must never be seen apart. */
import { parentPort, workerData } from "node:worker_threads";
import { Mutex } from "../../../src/pool/mutex.js";

export interface CounterInput {
  /** The mutex, then the two words. */
  readonly words: Int32Array;
  readonly rounds: number;
}

const { words, rounds } = workerData as CounterInput;
const mutex = new Mutex(words, 0);
let apart = 0;
for (let round = 0; round < rounds; round++) {
  if (round % 3 === 0) while (!mutex.tryLock());
  else mutex.lock();
  words[1] = (words[1] as number) + 1;
  if (words[2] !== (words[1] as number) - 1) apart++;
  words[2] = (words[2] as number) + 1;
  mutex.unlock();
}
parentPort?.postMessage(apart);
