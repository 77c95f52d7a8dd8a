/**
 * The NUMA node of a pool's memory. The policy of a file on tmpfs or of a memfd
 * is the inode's (mpol_set_shared_policy): what is set through a mapping
 * stays when the mapping is gone, for as long as the inode is in memory, and also
 * applies to pages allocated by write(2), fallocate(2) and the kernel. So the policy
 * is read from the kernel and not recorded. hugetlbfs has no such policies ("has not
 * been completed", numa_memory_policy.rst): there mbind applies only to the mapping.
 */
import { fstatSync } from "node:fs";
import { ENOSYS, EPERM, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { SEEK_DATA, SEEK_HOLE } from "../../base/fileFlags.js";
import { MIB, PAGE_BYTES } from "../../base/units.js";
import { memoryNodes, nodeOfBlockDevice, shortOf } from "../proc/numaNodes.js";
import { deviceNumbers } from "../proc/procFile.js";
import {
  MADV_POPULATE_READ,
  MAP_NORESERVE,
  MAP_SHARED,
  MPOL_BIND,
  MPOL_F_ADDR,
  MPOL_MF_MOVE,
  MPOL_MF_STRICT,
  MPOL_MODES,
  PROT_NONE,
  PROT_READ,
} from "../syscall/constants.js";
import { lseek } from "../syscall/libcData.js";
import { get_mempolicy, madvise, mbind, mmap, munmap, NODE_SET_BITS } from "../syscall/libcMemory.js";
import type { Backing } from "./backing.js";
import { readDaxDevice } from "./daxDevice.js";

/** Bytes moved at a time, of which both copies exist meanwhile. */
const MOVE_BYTES = 16 * MIB;

/** Why the memory of these kinds is where it is. */
const FIXED = { devdax: "a DAX device", fsdax: "on a DAX file system", file: "on a disk" };

/** The node that all of the pool's memory is on, or comes from; null when that is not one known node. */
export function nodeOfPool(backing: Backing): number | null {
  const nodes = memoryNodes();
  return knownNode(backing) ?? (nodes.length === 1 ? nodes[0] : null);
}

function knownNode(backing: Backing): number | null {
  const { dev, rdev } = fstatSync(backing.dataFd);
  if (backing.kind === "devdax") {
    const { major, minor } = deviceNumbers(rdev);
    const device = readDaxDevice(major, minor);
    return device?.numaNode ?? device?.targetNode ?? null;
  }
  const { major, minor } = deviceNumbers(dev);
  return backing.kind === "fsdax" ? nodeOfBlockDevice(major, minor) : boundNode(backing);
}

/** The one node that the pool's files are bound to; null for none, and where memory cannot be bound. */
export function boundNode(backing: Backing): number | null {
  if (backing.kind !== "tmpfs" && backing.kind !== "memfd") return null;
  const nodes = new Set([backing.metaFd, backing.dataFd].map(policyNode));
  return nodes.size === 1 ? ([...nodes].find((node) => node >= 0) ?? null) : null;
}

/** The only node of the MPOL_BIND policy at the beginning of a file, or a negative number. */
function policyNode(fd: number): number {
  return mapped(fd, 0, PAGE_BYTES, PROT_NONE, (address) => {
    const mode = new Uint32Array(1);
    const nodes = new Uint8Array(NODE_SET_BITS / 8);
    const result = get_mempolicy(new Uint8Array(mode.buffer), nodes, address, MPOL_F_ADDR);
    if (result < 0 || (mode[0] & MPOL_MODES) !== MPOL_BIND) return -1;
    return memoryNodes().find((node) => Buffer.compare(nodes, setOf(node)) === 0) ?? -1;
  });
}

/**
 * Binds the files of a pool to `node`, for their whole length and all that they
 * may grow to, and moves the pages there that they have.
 * @returns false when pages stay on another node, as far as is known
 * @throws UserError EOPNOTSUPP, EPERM, ENOSYS, …
 */
export function bindToNode(backing: Backing, node: number): boolean {
  const { metaFd, dataFd, metaBytes, dataBytes, path, kind } = backing;
  const refuse = (reason: string, code = "EOPNOTSUPP", cure = "omit it"): never => {
    throw new UserError(`--numa-node ${node}`, reason, { code, cure });
  };
  const where = path ?? `the ${kind} pool`;
  if (kind === "hugetlbfs") {
    const cure = `huge pages of that node alone: /sys/devices/system/node/node${node}/hugepages`;
    return refuse(`${where} is on hugetlbfs, which has no memory policy for a file`, undefined, cure);
  }
  if (kind !== "tmpfs" && kind !== "memfd") return refuse(`${where} is ${FIXED[kind]}: its memory cannot be moved`);
  const files = [{ fd: metaFd, lengthBytes: metaBytes }];
  if (dataFd !== metaFd) files.push({ fd: dataFd, lengthBytes: dataBytes });
  for (const { fd, lengthBytes } of files) {
    const bind = (address: number): number => bindRange(address, lengthBytes, node, 0);
    const result = lengthBytes === 0 ? 0 : mapped(fd, 0, lengthBytes, PROT_NONE, bind);
    const code = errnoName(-result);
    if (result === -ENOSYS) return refuse("this kernel has no NUMA", code);
    const cap = "docker run --cap-add SYS_NICE, or omit it";
    if (result === -EPERM) return refuse("this process has no permission to bind memory", code, cap);
    if (result < 0) return refuse("the kernel refused it", code);
  }
  // As on hugetlbfs, where the policy would be only the mapping's.
  if (boundNode(backing) !== node) {
    return refuse(`the file system of ${where} has no memory policy`, undefined, "a pool on tmpfs");
  }
  if (memoryNodes().length === 1) return true;
  return files.map(({ fd, lengthBytes }) => moveHeld(fd, lengthBytes, node)).every((isMoved) => isMoved);
}

/**
 * Moves the pages that a file on tmpfs has to `node`; holes stay holes. The
 * kernel moves what is in page tables, of this process alone.
 * @returns false when not all could be moved, or the node has too little room
 */
export function moveHeld(fd: number, lengthBytes: number, node: number): boolean {
  let isMoved = true;
  for (let at = 0; at < lengthBytes; ) {
    const start = lseek(fd, at, SEEK_DATA);
    if (start < 0 || start >= lengthBytes) return isMoved;
    const end = Math.min(lseek(fd, start, SEEK_HOLE), start + MOVE_BYTES, lengthBytes);
    if (end <= start || shortOf(node, MOVE_BYTES) !== null) return false;
    const result = mapped(fd, start, end - start, PROT_READ, (address) => {
      // EINVAL: a kernel before 5.14, which moves nothing then.
      const populated = madvise(address, end - start, MADV_POPULATE_READ);
      return populated < 0 ? populated : bindRange(address, end - start, node, MPOL_MF_MOVE | MPOL_MF_STRICT);
    });
    isMoved &&= result === 0;
    at = end;
  }
  return isMoved;
}

/** The set of one node, as mbind(2) takes it. */
function setOf(node: number): Uint8Array {
  const nodes = new Uint8Array(NODE_SET_BITS / 8);
  nodes[node >> 3] = 1 << (node & 7);
  return nodes;
}

function bindRange(address: number, lengthBytes: number, node: number, flags: number): number {
  return mbind(address, lengthBytes, MPOL_BIND, setOf(node), flags);
}

/** What `act` gives for a range of a file while it is mapped; -errno when it cannot be. */
function mapped(fd: number, at: number, lengthBytes: number, protection: number, act: (address: number) => number) {
  const address = mmap(0, lengthBytes, protection, MAP_SHARED | MAP_NORESERVE, fd, at);
  if (address < 0) return address;
  try {
    return act(address);
  } finally {
    munmap(address, lengthBytes);
  }
}
