/** Entry of a serving thread. */
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { attachFaults } from "../../linux/memory/sigbusGuard.js";
import { threadId } from "../../linux/proc/threads.js";
import { viewMemory } from "../../linux/syscall/libcMemory.js";
import { SESSION_BYTES, viewSession } from "../session/sessionMemory.js";
import { composeThread, type ThreadParts } from "./compose.js";
import { serve } from "./serveLoop.js";
import { die } from "./serverEnd.js";

export type WorkerInput = Omit<ThreadParts, "session" | "faults"> & {
  readonly sessionAddress: number;
  /** For `attachFaults`; 0 where memory that is lost kills the server. */
  readonly faultsAddress: number;
  /** One word, 0 until the thread may begin. */
  readonly gate: Int32Array<SharedArrayBuffer>;
};

/**
 * Whoever is woken by a reply should not take the CPU from the thread that has
 * more replies to give: with 8 jobs that is worth a tenth. A thread's nice value
 * is its own (setpriority(2), NOTES); a user may not, and goes on without.
 */
function preferThisThread(): void {
  try {
    setPriority(0, constants.priority.PRIORITY_HIGHEST);
  } catch {
    // EACCES or EPERM without CAP_SYS_NICE.
  }
}

const input = workerData as WorkerInput;
const stack = composeThread({
  ...input,
  session: viewSession(viewMemory(input.sessionAddress, SESSION_BYTES)),
  faults: input.faultsAddress === 0 ? null : attachFaults(input.faultsAddress),
});
parentPort?.postMessage({ isLocked: stack.isLocked });
try {
  preferThisThread();
  Atomics.wait(input.gate, 0, 0);
  stack.beat.attach(threadId());
  serve(stack);
} catch (error) {
  die(error);
}
