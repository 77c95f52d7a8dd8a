/**
 * The machine's NUMA nodes, what each has of memory, and how much of that pools leave to everybody else. A kernel without NUMA
 * has one node, 0. `root` is where /sys and /proc are; a directory of plain
 * files stands in for them in tests.
 */
import { totalmem } from "node:os";
import { dirname } from "node:path";
import { UserError } from "../../base/errors.js";
import { GIB, KIB, MIB, PAGE_BYTES } from "../../base/units.js";
import { machineMemory, parseKilobytes } from "./proc.js";
import { readText, realPath } from "./procFile.js";

const NODES = "/sys/devices/system/node";

/** Numbers of the nodes that have memory. */
export function memoryNodes(root = ""): number[] {
  return parseNodeList(readText(`${root}${NODES}/has_memory`) ?? readText(`${root}${NODES}/online`) ?? "0");
}

/** The numbers of a list like `0-1,3` (the form of bitmap_print_to_pagebuf). */
export function parseNodeList(text: string): number[] {
  const nodes: number[] = [];
  for (const match of text.matchAll(/(\d+)(?:-(\d+))?/g)) {
    const first = Number(match[1]);
    for (let node = first; node <= Number(match[2] ?? first); node++) nodes.push(node);
  }
  return nodes;
}

/** The node in the text of a `numa_node` file; null for -1, which is unknown (NUMA_NO_NODE), and for no text. */
export function parseNode(text: string | null): number | null {
  const word = text?.trim() ?? "";
  return /^\d+$/.test(word) ? Number(word) : null;
}

/** The node of a block device: of its own, or of what it is a part of. @returns null where nobody says */
export function nodeOfBlockDevice(major: number, minor: number, root = ""): number | null {
  let path = realPath(`${root}/sys/dev/block/${major}:${minor}`) ?? "/";
  for (; path !== "/"; path = dirname(path)) {
    const text = readText(`${path}/numa_node`);
    // The kernel has a device inherit its parent's (device_add): one that does not know has no parent that does.
    if (text !== null) return parseNode(text);
  }
  return null;
}

/** @throws UserError when this process can have no memory of the node: EINVAL, or EPERM for a cpuset */
export function requireNode(node: number, root = ""): void {
  const nodes = memoryNodes(root);
  if (!nodes.includes(node)) {
    const isThere = parseNodeList(readText(`${root}${NODES}/online`) ?? "").includes(node);
    const reason = isThere ? "that NUMA node has no memory" : "this machine has no such NUMA node";
    throw nodeError(node, reason, "EINVAL", nodes);
  }
  const allowed = /^Mems_allowed_list:\s+(\S+)$/m.exec(readText(`${root}/proc/self/status`) ?? "")?.[1];
  if (allowed === undefined || parseNodeList(allowed).includes(node)) return;
  throw nodeError(node, "the cpuset of this process does not include that NUMA node", "EPERM", parseNodeList(allowed));
}

function nodeError(node: number, reason: string, code: string, nodes: readonly number[]): UserError {
  return new UserError(`--numa-node ${node}`, reason, { code, cure: `a node that has memory: ${nodes.join(", ")}` });
}

export interface NodeMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

/**
 * Memory of a node: all of it, and what could be had without swapping.
 * @returns bytes; null where the kernel does not tell
 */
export function nodeMemory(node: number, root = ""): NodeMemory | null {
  const nodes = memoryNodes(root);
  // The machine's own figures: what is not set up yet (deferred initialisation) is in them, but in no node's.
  if (nodes.length !== 1 || nodes[0] !== node) return reckonedMemory(node, root);
  const { totalBytes, availableBytes } = machineMemory(root);
  return totalBytes === 0 ? null : { totalBytes, availableBytes };
}

/** As the kernel reckons it for the whole machine (si_mem_available in mm/show_mem.c). @returns as nodeMemory */
export function reckonedMemory(node: number, root = ""): NodeMemory | null {
  const text = readText(`${root}${NODES}/node${node}/meminfo`);
  if (text === null) return null;
  const values = parseKilobytes(text.replaceAll(/^Node \d+ /gm, ""));
  const bytes = (name: string): number => values.get(name) ?? 0;
  const { lowBytes, reserveBytes } = watermarks(node, readText(`${root}/proc/zoneinfo`) ?? "");
  const most = (reclaimable: number): number => reclaimable - Math.min(reclaimable / 2, lowBytes);
  const cacheBytes = most(bytes("Active(file)") + bytes("Inactive(file)"));
  const slabBytes = most(bytes("KReclaimable"));
  const availableBytes = bytes("MemFree") - reserveBytes + cacheBytes + slabBytes;
  return { totalBytes: bytes("MemTotal"), availableBytes: Math.max(0, Math.floor(availableBytes / KIB) * KIB) };
}

/** What the kernel keeps back in the zones of a node (proc_zoneinfo, calculate_totalreserve_pages), bytes. */
function watermarks(node: number, zoneinfo: string): { readonly lowBytes: number; readonly reserveBytes: number } {
  let lowPages = 0;
  let reservePages = 0;
  for (const zone of zoneinfo.split(/^(?=Node )/m)) {
    if (!zone.startsWith(`Node ${node}, `)) continue;
    const pages = (name: string): number => Number(new RegExp(`^ +${name} +(\\d+)$`, "m").exec(zone)?.[1] ?? 0);
    const protection = /^ +protection: \((.*)\)$/m.exec(zone)?.[1].split(",").map(Number) ?? [0];
    lowPages += pages("low");
    reservePages += Math.min(pages("high") + Math.max(...protection), pages("managed"));
  }
  return { lowBytes: lowPages * PAGE_BYTES, reserveBytes: reservePages * PAGE_BYTES };
}

/** A pool in memory stops growing here: what fresh pages can take within a period of housekeeping stays free. */
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
