/**
 * A pool mapped for a command. Memory that is lost meanwhile (a truncated file, a
 * poisoned page) does not kill the command: it reads as ones, and the command fails
 * at its end.
 */
import { UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import { PAGE_BYTES } from "../base/units.js";
import type { Backing } from "../linux/backing/backing.js";
import { mapBacking, unmapBacking } from "../linux/memory/mapping.js";
import { attachMemory } from "../linux/memory/memory.js";
import { attachFaults, installSigbusGuard, type SigbusGuard } from "../linux/memory/sigbusGuard.js";

export interface GuardedMemory {
  readonly memory: Memory;
  /** @throws UserError EIO when memory was lost since */
  close(): void;
}

/** One in a process. */
let installed: SigbusGuard | null | undefined;

/** @throws UserError as `mapBacking` */
export function mapGuarded(backing: Backing, metadataPages: number): GuardedMemory {
  const mapping = mapBacking(backing, metadataPages);
  const { baseAddress, lengthBytes } = mapping;
  installed ??= orUnguarded(installSigbusGuard);
  const guard = installed;
  const faults = guard === null ? null : attachFaults(guard.address);
  orUnguarded(() =>
    guard?.guard(baseAddress, lengthBytes, Math.max(backing.grainPages * PAGE_BYTES, backing.mapAlignBytes)),
  );
  const before = faults?.count ?? 0;
  return {
    memory: attachMemory(mapping),
    close: () => {
      const isLost = (faults?.count ?? 0) !== before;
      guard?.forget(baseAddress);
      unmapBacking(mapping);
      if (!isLost) return;
      throw new UserError(backing.path ?? backing.kind, "lost memory while it was being read", {
        code: "EIO",
        cure: "check which other process writes to it, and dmesg for memory errors",
      });
    },
  };
}

/** Where there is no guard, memory that is lost kills the command, as it would any other. */
function orUnguarded<T>(act: () => T): T | null {
  try {
    return act();
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}
