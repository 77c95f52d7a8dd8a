/** Native memory: views, threads, processes. */

import { once } from "node:events";
import { closeSync, readFileSync, writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { prepareIoProcess } from "../../../src/linux/process/ioProcess.js";
import { mapShared, sharedMemory } from "../../../src/linux/process/sharedMemory.js";
import { allocateBuffer, ZERO_BYTES, zeros } from "../../../src/linux/syscall/buffers.js";
import { memcpy } from "../../../src/linux/syscall/libcData.js";
import { viewMemory } from "../../../src/linux/syscall/libcMemory.js";

it("a buffer is rounded up to pages, zeroed, and a view shows the same bytes", () => {
  const buffer = allocateBuffer(5000);
  expect([buffer.lengthBytes, buffer.bytes.byteLength]).toEqual([8192, 8192]);
  new Int32Array(viewMemory(buffer.address, 8192))[2047] = 5;
  expect(new Int32Array(buffer.bytes)[2047]).toBe(5);
});

/** Some virtual machines do without the kernel's zero page, and say so at boot: what is read costs a page there. */
const hasZeroPage = !readFileSync("/proc/cmdline", "utf8").includes("no_zero_page");

it("a region of zeros reads as zeros and costs no memory where there is a zero page", () => {
  const address = zeros();
  const target = allocateBuffer(ZERO_BYTES);
  new Uint8Array(target.bytes).fill(1);
  memcpy(target.address, address, ZERO_BYTES);
  expect(new Uint8Array(target.bytes).every((byte) => byte === 0)).toBe(true);
  const [, mapping = ""] = readFileSync("/proc/self/smaps", "utf8").split(`${address.toString(16)}-`);
  const residentKib = Number(/^Rss: +(\d+) kB$/m.exec(mapping)?.[1]);
  expect(residentKib).toBeLessThanOrEqual(hasZeroPage ? 0 : ZERO_BYTES / 1024);
});

it("Atomics on views of one address in several isolates lose no increment", async () => {
  const buffer = allocateBuffer(4096);
  const script = `
    const koffi = require("koffi");
    const words = new Int32Array(koffi.view(require("node:worker_threads").workerData, 4096));
    for (let i = 0; i < 200000; i++) Atomics.add(words, 0, 1);`;
  const workers = [1, 2, 3].map(() => new Worker(script, { eval: true, workerData: buffer.address }));
  const words = new Int32Array(buffer.bytes);
  for (let i = 0; i < 200000; i++) Atomics.add(words, 0, 1);
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  expect(words[0]).toBe(800000);
});

it("shared memory mapped twice is the same memory", () => {
  const shared = sharedMemory(100);
  const again = mapShared(shared.fd, 100);
  new Int32Array(shared.bytes)[10] = 42;
  expect(again.address).not.toBe(shared.address);
  expect(new Int32Array(again.bytes)[10]).toBe(42);
  closeSync(shared.fd);
});

it("preparing the process tells each refusal and never fails", () => {
  const before = readFileSync("/proc/self/oom_score_adj", "utf8");
  const { refused } = prepareIoProcess();
  for (const text of refused) expect(text).toMatch(/^(IO_FLUSHER|OOM_SCORE_ADJ): E[A-Z]+$/);
  if (refused.some((text) => text.startsWith("OOM")))
    expect(readFileSync("/proc/self/oom_score_adj", "utf8")).toBe(before);
  else writeFileSync("/proc/self/oom_score_adj", before);
});
