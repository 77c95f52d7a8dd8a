/** The memory that pools must leave to the rest of the machine, and whether it is short. */
import { totalmem } from "node:os";
import { GIB, MIB } from "../../base/units.js";
import { nodeMemory } from "./numaNodes.js";
import { machineMemory } from "./proc.js";

/** A pool in memory stops growing here: it leaves free what fresh pages can take in a period of housekeeping. */
export function reserveBytes(totalBytes = totalmem()): number {
  return Math.min(GIB, Math.max(64 * MIB, totalBytes / 16));
}

/**
 * What has less than its reserve, for people; null for nothing. When the node
 * that a pool is bound to has none left, the kernel kills processes, however
 * much other nodes have (CONSTRAINT_MEMORY_POLICY in mm/oom_kill.c).
 * @param node the one that the pool is bound to; null for none
 * @param moreBytes what is about to be taken of it
 */
export function shortOf(node: number | null, moreBytes = 0, root = ""): string | null {
  const memory = node === null ? null : nodeMemory(node, root);
  if (memory !== null && memory.availableBytes - moreBytes < reserveBytes(memory.totalBytes))
    return `NUMA node ${node}`;
  return machineMemory().availableBytes - moreBytes < reserveBytes() ? "the machine" : null;
}
