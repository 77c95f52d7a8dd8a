/** Entry of a serving thread. */
import { parentPort, workerData } from "node:worker_threads";
import { viewMemory } from "../linux/libcMemory.js";
import { composeThread, type ThreadParts } from "./compose.js";
import { serve } from "./serveLoop.js";
import { die } from "./serverEnd.js";
import { SESSION_BYTES, viewSession } from "./sessionMemory.js";

export type WorkerInput = Omit<ThreadParts, "session"> & { readonly sessionAddress: number };

const input = workerData as WorkerInput;
const stack = composeThread({ ...input, session: viewSession(viewMemory(input.sessionAddress, SESSION_BYTES)) });
parentPort?.postMessage("ready");
try {
  serve(stack);
} catch (error) {
  die(error);
}
