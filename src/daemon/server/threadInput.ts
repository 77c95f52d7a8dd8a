/** What a serving thread is started with. */
import type { ThreadParts } from "./compose.js";

/** One word that threads wait on while it is 0. */
export type Gate = Int32Array<SharedArrayBuffer>;
export const GATE_OPEN = 1;
/** They are to end. */
export const GATE_SHUT = 2;

export type ThreadInput = Omit<ThreadParts, "session" | "faults"> & {
  readonly sessionAddress: number;
  /** For `attachFaults`; 0 where memory that is lost kills the server. */
  readonly faultsAddress: number;
  readonly gate: Gate;
};
