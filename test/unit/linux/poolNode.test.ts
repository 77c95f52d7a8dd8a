/** Pools bound to a NUMA node, on this machine's first one. */
import { existsSync, fstatSync, readFileSync, writeSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Backing, closeBacking } from "../../../src/linux/backing/backing.js";
import { createMemfd } from "../../../src/linux/backing/memfd.js";
import { createPoolDirectory } from "../../../src/linux/backing/poolDirectory.js";
import { createPoolFile } from "../../../src/linux/backing/poolFile.js";
import { bindToNode, boundNode, moveHeld, nodeOfPool } from "../../../src/linux/backing/poolNode.js";
import { createPrivateTmpfs } from "../../../src/linux/backing/privateTmpfs.js";
import { mapBacking, unmapBacking } from "../../../src/linux/memory/mapping.js";
import { memoryNodes } from "../../../src/linux/proc/numaNodes.js";
import { MAP_SHARED, PROT_NONE } from "../../../src/linux/syscall/constants.js";
import { mmap, munmap } from "../../../src/linux/syscall/libcMemory.js";
import { isRoot, userError, withDirectory } from "./support.js";

const [NODE] = memoryNodes();
const hasNuma = existsSync("/proc/self/numa_maps");

/** What the kernel shows of the mappings of a file: the policy, then the file. */
function policies(name: string): string[] {
  return readFileSync("/proc/self/numa_maps", "utf8")
    .split("\n")
    .filter((line) => line.includes(name))
    .map((line) => line.split(" ")[1]);
}

describe.skipIf(!hasNuma)("binding", () => {
  it("of a memfd stays when the mapping is gone, also past its end", () => {
    const facts = createMemfd({ pageCount: 64 });
    expect([boundNode(facts), policies("memfd:kmemfs")]).toEqual([null, []]);
    expect(bindToNode(facts, NODE)).toBe(true);
    expect(policies("memfd:kmemfs")).toEqual([]);
    const mapping = mapBacking(facts, 2);
    expect(policies("memfd:kmemfs")).toEqual([`bind:${NODE}`]);
    unmapBacking(mapping);
    expect([boundNode(facts), nodeOfPool(facts)]).toEqual([NODE, NODE]);
    closeBacking(facts);
  });

  it.skipIf(!isRoot)("of a split pool is that of both files, to the end of data", () => {
    const facts = createPrivateTmpfs({ metadataPages: 2, dataPages: 64 });
    const longer: Backing = { ...facts, dataBytes: 1024 * 4096 };
    expect(bindToNode(longer, NODE)).toBe(true);
    const mapping = mapBacking(facts, 2);
    expect([policies("/meta"), policies("/data")]).toEqual([[`bind:${NODE}`], [`bind:${NODE}`]]);
    unmapBacking(mapping);
    // What the file may grow to.
    const [inside, past] = [1023, 1024].map((page) => mmap(0, 4096, PROT_NONE, MAP_SHARED, facts.dataFd, page * 4096));
    const shown = readFileSync("/proc/self/numa_maps", "utf8");
    const policyAt = (address: number): string | undefined =>
      shown
        .split("\n")
        .find((line) => line.startsWith(`${address.toString(16)} `))
        ?.split(" ")[1];
    expect([policyAt(inside), policyAt(past)]).toEqual([`bind:${NODE}`, "default"]);
    for (const address of [inside, past]) munmap(address, 4096);
    closeBacking(facts);
  });

  it("of one file of two is no node of the pool", () => {
    withDirectory((directory) => {
      const facts = createPoolDirectory(`${directory}/d`, { metadataPages: 2, dataPages: 8 });
      bindToNode({ ...facts, metaFd: facts.dataFd, metaBytes: facts.dataBytes }, NODE);
      expect(boundNode(facts)).toBeNull();
      bindToNode(facts, NODE);
      expect(boundNode(facts)).toBe(NODE);
      closeBacking(facts);
    }, "/dev/shm");
  });

  it("is refused where memory is where it is", () => {
    withDirectory((directory) => {
      const facts = createPoolFile(`${directory}/f`, { pageCount: 16 });
      const refusal = (kind: Backing["kind"]): string => userError(() => bindToNode({ ...facts, kind }, NODE)).message;
      const [head, tail] = [`--numa-node ${NODE}: ${directory}/f is `, ": its memory cannot be moved (EOPNOTSUPP)"];
      expect(refusal("file")).toBe(`${head}on a disk${tail}`);
      expect(refusal("fsdax")).toBe(`${head}on a DAX file system${tail}`);
      expect(refusal("devdax")).toBe(`${head}a DAX device${tail}`);
      expect(refusal("hugetlbfs")).toMatch(/is on hugetlbfs, which has no memory policy for a file \(EOPNOTSUPP\)/);
      expect(boundNode(facts)).toBeNull();
      closeBacking(facts);
    });
  });

  it("is refused where the file system forgets it", () => {
    withDirectory((directory) => {
      const facts = createPoolFile(`${directory}/f`, { pageCount: 16 });
      expect(userError(() => bindToNode({ ...facts, kind: "tmpfs" }, NODE)).message).toMatch(/has no memory policy/);
      closeBacking(facts);
    });
  });

  it("names what the kernel refuses", () => {
    const facts = createMemfd({ pageCount: 16 });
    const { message, options } = userError(() => bindToNode(facts, 1023));
    expect(message).toBe("--numa-node 1023: the kernel refused it (EINVAL)");
    expect(options.cure).toBeDefined();
    closeBacking(facts);
  });
});

it.skipIf(!hasNuma)("moving keeps what is there, and holes", () => {
  const facts = createMemfd({ pageCount: 8192 });
  const bytes = new Uint8Array(5 * 4096).fill(7);
  for (const page of [0, 100, 8187]) writeSync(facts.dataFd, bytes, 0, bytes.length, page * 4096);
  const { blocks } = fstatSync(facts.dataFd);
  expect(moveHeld(facts.dataFd, facts.metaBytes, NODE)).toBe(true);
  expect(fstatSync(facts.dataFd).blocks).toBe(blocks);
  expect(moveHeld(facts.dataFd, facts.metaBytes, 1023)).toBe(false);
  closeBacking(facts);
});

it("a pool on a disk is on the only node, or on none", () => {
  withDirectory((directory) => {
    const facts = createPoolFile(`${directory}/f`, { pageCount: 16 });
    expect(nodeOfPool(facts)).toBe(memoryNodes().length === 1 ? NODE : null);
    closeBacking(facts);
  });
});
