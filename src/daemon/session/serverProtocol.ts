/** A server's start arguments, and its messages to the holder. */
import type { ErrorBody } from "../../base/errors.js";

export interface ServerReady {
  /** What the machine refused it. */
  readonly refused: readonly string[];
  readonly io: "served" | "direct";
  /** Why not direct, where the pool itself is the reason. */
  readonly ioReason: string | null;
  /** The pool had not been closed; every entry was looked at. */
  readonly wasUnclean: boolean;
}

/** What the server says, a line of JSON each. */
export type FromServer =
  | ({ readonly kind: "ready" } & ServerReady)
  /** It is ready to take over the session and waits for the command. */
  | { readonly kind: "standby" }
  | { readonly kind: "warning"; readonly message: string }
  /** The pool is damaged; all writes are refused from now on. */
  | { readonly kind: "damage"; readonly message: string }
  /** The pool cannot be served; the server ends. */
  | { readonly kind: "refused"; readonly error: ErrorBody }
  /** A part of the program could not be loaded; the server ends at once. */
  | { readonly kind: "unloaded"; readonly message: string }
  /** A broken invariant; the server ends at once. */
  | { readonly kind: "fatal"; readonly message: string }
  /** The session is over and the pool is closed cleanly; the server ends. */
  | { readonly kind: "closed" }
  /** The session is over, and the pool could not be closed: it stays unclean. The server ends. */
  | { readonly kind: "unclosed"; readonly message: string };

/** The server's number of the session's memory; the pool's and the device's fds follow. */
export const SESSION_MEMORY_FD = 3;

/** Argument of a server that waits, before it touches anything, for a line on its standard input. */
export const STANDBY = "standby";
