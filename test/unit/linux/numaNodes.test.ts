/** The machine's nodes, on trees as kernels show them, and on this machine. */
import { mkdirSync, symlinkSync } from "node:fs";
import { totalmem } from "node:os";
import { describe, expect, it } from "vitest";
import {
  memoryNodes,
  type NodeMemory,
  nodeMemory,
  nodeOfBlockDevice,
  parseNode,
  parseNodeList,
  reckonedMemory,
  requireNode,
  reserveBytes,
  shortOf,
} from "../../../src/linux/proc/numaNodes.js";
import { plant, userError, withDirectory } from "./support.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const KB = 1024;

const meminfo = (node: number, freeKb: number): string =>
  [
    ["MemTotal", 4 * MIB],
    ["MemFree", freeKb],
    ["Active(file)", 100_000],
    ["Inactive(file)", 300_000],
    ["KReclaimable", 20_000],
    ["HugePages_Total", 0],
  ]
    .map(([name, kb]) => `Node ${node} ${name}:       ${kb}${name === "HugePages_Total" ? "" : " kB"}`)
    .join("\n");

const zone = (node: number, name: string, pages: { low: number; high: number; protection: string; managed: number }) =>
  `Node ${node}, zone ${name.padStart(8)}
  pages free     3840
        min      10
        low      ${pages.low}
        high     ${pages.high}
        spanned  4095
        managed  ${pages.managed}
        protection: (${pages.protection})
      nr_free_pages 3840`;

/** Two nodes; on the second little is left. */
const TWO_NODES = {
  "sys/devices/system/node/has_memory": "0-1",
  "sys/devices/system/node/online": "0-2",
  "sys/devices/system/node/node0/meminfo": meminfo(0, 2_000_000),
  "sys/devices/system/node/node1/meminfo": meminfo(1, 10_000),
  "proc/self/status": "Name:\tnode\nMems_allowed:\t1\nMems_allowed_list:\t0-1",
  "proc/zoneinfo": [
    zone(0, "DMA", { low: 13, high: 16, protection: "0, 500, 500", managed: 400 }),
    zone(0, "Normal", { low: 1000, high: 1200, protection: "0, 0, 0", managed: 1_000_000 }),
    zone(1, "Normal", { low: 2000, high: 2400, protection: "0, 0, 0", managed: 1_000_000 }),
  ].join("\n"),
};

function withTree(files: Record<string, string>, act: (root: string) => void): void {
  withDirectory((directory) => {
    plant(directory, files);
    act(directory);
  });
}

describe("lists and numbers", () => {
  it("reads ranges, single numbers, both, none", () => {
    expect(["0", "0-2", "0,2-3,7", "", "\n"].map(parseNodeList)).toEqual([[0], [0, 1, 2], [0, 2, 3, 7], [], []]);
  });
  it("takes -1 and nonsense for unknown", () => {
    expect(["0\n", "12", "-1\n", "", "x", null].map(parseNode)).toEqual([0, 12, null, null, null, null]);
  });
});

describe("the nodes that have memory", () => {
  it("are those that the kernel lists; without NUMA there is one", () => {
    withTree(TWO_NODES, (root) => expect(memoryNodes(root)).toEqual([0, 1]));
    withTree({ "sys/devices/system/node/online": "0-3" }, (root) => expect(memoryNodes(root)).toEqual([0, 1, 2, 3]));
    withTree({}, (root) => expect(memoryNodes(root)).toEqual([0]));
  });

  it("are what can be asked for", () => {
    withTree(TWO_NODES, (root) => {
      requireNode(0, root);
      requireNode(1, root);
      const refusal = (node: number): unknown[] => {
        const { message, options, exitCode } = userError(() => requireNode(node, root));
        return [message, options.cure, exitCode];
      };
      const cure = "a node that has memory: 0, 1";
      expect(refusal(2)).toEqual(["--numa-node 2: that NUMA node has no memory (EINVAL)", cure, 1]);
      expect(refusal(7)).toEqual(["--numa-node 7: this machine has no such NUMA node (EINVAL)", cure, 1]);
    });
    withTree({ ...TWO_NODES, "proc/self/status": "Mems_allowed_list:\t1" }, (root) => {
      const { message, options } = userError(() => requireNode(0, root));
      expect(message).toBe("--numa-node 0: the cpuset of this process does not include that NUMA node (EPERM)");
      expect(options.cure).toBe("a node that has memory: 1");
    });
  });
});

describe("the memory of a node", () => {
  it("is reckoned as the kernel does for the machine", () => {
    withTree(TWO_NODES, (root) => {
      // Of zone DMA no more is kept back than it has; of what can be reclaimed the low watermark stays.
      const keptKb = (400 + 1200) * 4;
      const lowKb = (13 + 1000) * 4;
      const availableKb = 2_000_000 - keptKb + (400_000 - lowKb) + (20_000 - lowKb);
      expect(nodeMemory(0, root)).toEqual({ totalBytes: 4 * GIB, availableBytes: availableKb * KB });
      expect(nodeMemory(2, root)).toBeNull();
    });
  });

  it("of a machine with one node is the machine's, whatever the node says", () => {
    const machine = "MemTotal:  6000 kB\nMemFree:  10 kB\nMemAvailable:  5000 kB\n";
    const one = { ...TWO_NODES, "sys/devices/system/node/has_memory": "0", "proc/meminfo": machine };
    withTree(one, (root) => expect(nodeMemory(0, root)).toEqual({ totalBytes: 6000 * KB, availableBytes: 5000 * KB }));
    withTree({ "proc/meminfo": machine }, (root) => expect(nodeMemory(1, root)).toBeNull());
    withTree({}, (root) => expect(nodeMemory(0, root)).toBeNull());
  });

  it("is reckoned so that as much is in use as the kernel says", (context) => {
    const [node] = memoryNodes();
    if (memoryNodes().length !== 1) return context.skip("needs a machine with one node");
    if (reckonedMemory(node) === null) return context.skip("needs a kernel with NUMA");
    const inUse = (memory: NodeMemory | null): number => (memory?.totalBytes ?? 0) - (memory?.availableBytes ?? 0);
    // Others take and give back memory between the two looks.
    const apart = Array.from({ length: 5 }, () => Math.abs(inUse(reckonedMemory(node)) - inUse(nodeMemory(node))));
    expect(Math.min(...apart)).toBeLessThan(Math.max(64 * MIB, totalmem() / 50));
  });

  it("is short when little is left of that node, however much others have", () => {
    withTree({ ...TWO_NODES, "sys/devices/system/node/node1/meminfo": meminfo(1, 100) }, (root) => {
      expect(shortOf(null, 0, root)).toBeNull();
      expect(shortOf(0, 0, root)).toBeNull();
      const left = nodeMemory(1, root)?.availableBytes ?? 0;
      expect(left).toBeGreaterThan(reserveBytes(4 * GIB));
      expect(shortOf(1, 0, root)).toBeNull();
      expect(shortOf(1, left - reserveBytes(4 * GIB) + 1, root)).toBe("NUMA node 1");
    });
  });
});

it("a block device has its own node, or that of what it is a part of", () => {
  withTree({ "sys/devices/pci0/0000:00:04.0/numa_node": "1" }, (root) => {
    const disk = "pci0/0000:00:04.0/virtio1/block/vda";
    mkdirSync(`${root}/sys/devices/${disk}/vda1`, { recursive: true });
    mkdirSync(`${root}/sys/devices/virtual/block/dm-0`, { recursive: true });
    mkdirSync(`${root}/sys/dev/block`, { recursive: true });
    symlinkSync(`../../devices/${disk}`, `${root}/sys/dev/block/254:0`);
    symlinkSync(`../../devices/${disk}/vda1`, `${root}/sys/dev/block/254:1`);
    symlinkSync("../../devices/virtual/block/dm-0", `${root}/sys/dev/block/253:0`);
    const nodes = (): (number | null)[] =>
      [
        [254, 0],
        [254, 1],
        [253, 0],
        [9, 9],
      ].map(([major, minor]) => nodeOfBlockDevice(major, minor, root));
    expect(nodes()).toEqual([1, 1, null, null]);
    plant(root, { "sys/devices/pci0/0000:00:04.0/numa_node": "-1", "sys/devices/pci0/numa_node": "0" });
    expect(nodes()).toEqual([null, null, null, null]);
  });
});
