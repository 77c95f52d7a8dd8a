/** Entry of a serving thread. */
import { parentPort, workerData } from "node:worker_threads";
import { attachFaults } from "../../linux/memory/sigbusGuard.js";
import { threadId } from "../../linux/proc/threads.js";
import { viewMemory } from "../../linux/syscall/libcMemory.js";
import { SESSION_BYTES, viewSession } from "../session/sessionMemory.js";
import { composeThread } from "./compose.js";
import { preferThisThread } from "./priority.js";
import { serve } from "./serveLoop.js";
import { die } from "./serverEnd.js";
import { GATE_OPEN, type ThreadInput } from "./threadInput.js";

const input = workerData as ThreadInput;
const stack = composeThread({
  ...input,
  session: viewSession(viewMemory(input.sessionAddress, SESSION_BYTES)),
  faults: input.faultsAddress === 0 ? null : attachFaults(input.faultsAddress),
});
parentPort?.postMessage({ isLocked: stack.isLocked });
Atomics.wait(input.gate, 0, 0);
if (Atomics.load(input.gate, 0) === GATE_OPEN) {
  try {
    preferThisThread();
    stack.beat.attach(threadId());
    serve(stack);
  } catch (error) {
    die(error);
  }
}
