/**
 * Memory that is lost under a mapping, in a process of its own: `lostMemory CASE guarded|bare`.
 * Prints one line of JSON; what kills it is seen by its exit signal.
 */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import koffi from "koffi";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { attachFaults, installSigbusGuard } from "../../../src/linux/memory/sigbusGuard.js";
import {
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../../src/linux/syscall/constants.js";
import { ftruncate, ioctl, memfd_create } from "../../../src/linux/syscall/libc.js";
import { memcpy } from "../../../src/linux/syscall/libcData.js";
import { mmap, viewMemory } from "../../../src/linux/syscall/libcMemory.js";

const MFD_HUGETLB = 4;
const HUGE_BYTES = 2 * 1024 * 1024;
const SYS_userfaultfd = process.arch === "arm64" ? 282 : 323;
const SYS_rt_sigqueueinfo = process.arch === "arm64" ? 138 : 129;
const UFFDIO_API = 0xc018aa3f;
const UFFDIO_REGISTER = 0xc020aa00;
const UFFDIO_POISON = 0xc020aa08;
const FEATURE_POISON = 1n << 14n;

interface Area {
  readonly fd: number;
  readonly address: number;
  readonly lengthBytes: number;
}

/** A mapping of a new memfd. */
function area(lengthBytes: number, memfdFlags = 0): Area {
  const fd = memfd_create("lost", memfdFlags);
  ftruncate(fd, lengthBytes);
  const address = mmap(0, lengthBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (fd < 0 || address < 0) skip(`no memory to lose (${fd}, ${address})`);
  return { fd, address, lengthBytes };
}

function skip(reason: string): never {
  process.stdout.write(JSON.stringify({ skip: reason }));
  process.exit(0);
}

const isGuarded = process.argv[3] === "guarded";
const guard = isMainThread && isGuarded ? installSigbusGuard() : null;
const faults = guard === null ? null : attachFaults(guard.address);
const protect = (one: Area, grainBytes = PAGE_BYTES): void => guard?.guard(one.address, one.lengthBytes, grainBytes);
const bytesOf = (one: Area): Uint8Array => new Uint8Array(viewMemory(one.address, one.lengthBytes));
const seen = () => ({ count: faults?.count, first: faults?.firstAddress, last: faults?.lastAddress });

function truncated(): object {
  const one = area(16 * PAGE_BYTES);
  const bytes = bytesOf(one).fill(0x11);
  protect(one);
  ftruncate(one.fd, 8 * PAGE_BYTES);
  const viewed = bytes[9 * PAGE_BYTES + 5];
  const copy = area(PAGE_BYTES);
  memcpy(copy.address, one.address + 12 * PAGE_BYTES, PAGE_BYTES);
  bytes[10 * PAGE_BYTES] = 1;
  const word = Atomics.load(new Int32Array(bytes.buffer), (15 * PAGE_BYTES) / 4);
  return {
    viewed,
    copied: bytesOf(copy).every((byte) => byte === 0xff),
    stored: [bytes[10 * PAGE_BYTES], bytes[10 * PAGE_BYTES + 1]],
    word,
    intact: bytes.subarray(0, 8 * PAGE_BYTES).every((byte) => byte === 0x11),
    ...seen(),
    firstPage: Math.floor(((faults?.firstAddress ?? 0) - one.address) / PAGE_BYTES),
    lastPage: Math.floor(((faults?.lastAddress ?? 0) - one.address) / PAGE_BYTES),
  };
}

/** A page of one mapping is guarded, the other is not. */
function outside(): object {
  const [guarded, other] = [area(PAGE_BYTES), area(PAGE_BYTES)];
  protect(guarded);
  ftruncate(other.fd, 0);
  return { read: bytesOf(other)[0] };
}

function forgotten(): object {
  const one = area(2 * PAGE_BYTES);
  protect(one);
  ftruncate(one.fd, 0);
  const read = bytesOf(one)[0];
  guard?.forget(one.address);
  return { read, afterwards: bytesOf(one)[PAGE_BYTES] };
}

/** A signal that a process sent, with the address of the guarded page where a fault has its own. */
function forged(): object {
  const one = area(PAGE_BYTES);
  protect(one);
  const info = new Uint8Array(128);
  const words = new DataView(info.buffer);
  words.setInt32(0, 7, true);
  words.setInt32(8, -1, true);
  words.setBigUint64(16, BigInt(one.address), true);
  const syscall = koffi
    .load("libc.so.6")
    .func("int64_t syscall(int64_t number, int64_t pid, int64_t signal, void *info)");
  const sent = Number(syscall(SYS_rt_sigqueueinfo, process.pid, 7, info));
  return { sent, survived: seen() };
}

/** Waits for a signal from outside. */
async function killed(): Promise<object> {
  const one = area(PAGE_BYTES);
  protect(one);
  process.stdout.write("ready\n");
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  return { survived: seen() };
}

function huge(): object {
  const one = area(2 * HUGE_BYTES, MFD_HUGETLB);
  protect(one, HUGE_BYTES);
  ftruncate(one.fd, HUGE_BYTES);
  const bytes = bytesOf(one).subarray(HUGE_BYTES);
  return { read: bytes[3 * PAGE_BYTES], all: bytes.every((byte) => byte === 0xff), ...seen() };
}

function poisoned(): object {
  const syscall = koffi.load("libc.so.6").func("int64_t syscall(int64_t number, uint64_t flags)");
  const fd = Number(syscall(SYS_userfaultfd, 0));
  if (fd < 0) skip("userfaultfd is refused");
  const lengthBytes = 4 * PAGE_BYTES;
  const address = mmap(0, lengthBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const one: Area = { fd, address, lengthBytes };
  protect(one);
  const call = (request: number, ...words: readonly bigint[]): number =>
    ioctl(fd, request, new Uint8Array(BigUint64Array.from(words).buffer));
  if (call(UFFDIO_API, 0xaan, FEATURE_POISON, 0n) < 0) skip("this kernel's userfaultfd cannot poison");
  const page = BigInt(PAGE_BYTES);
  const start = BigInt(address);
  const registered = call(UFFDIO_REGISTER, start + page, page, 1n, 0n);
  const done = call(UFFDIO_POISON, start + page, page, 0n, 0n);
  if (registered < 0 || done < 0) skip(`nothing could be poisoned (${registered}, ${done})`);
  const bytes = bytesOf(one);
  bytes[0] = 7;
  return { read: bytes[PAGE_BYTES + 9], before: bytes[0], after: bytes[2 * PAGE_BYTES], ...seen() };
}

const THREADS = 4;
const LOST_PAGES = 4096;

/** All threads go over the same pages, some of them backwards, half of the threads in step. */
async function threads(): Promise<object> {
  const one = area(LOST_PAGES * PAGE_BYTES);
  protect(one);
  ftruncate(one.fd, 0);
  const steps = new Int32Array(new SharedArrayBuffer(4 * (LOST_PAGES + 1)));
  const ends = Array.from({ length: THREADS }, (_, thread) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { ...one, steps, thread } });
    return new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  });
  return { wrong: await Promise.all(ends), ...seen() };
}

function touchAll(): void {
  const { steps, thread, ...one } = workerData as Area & { steps: Int32Array; thread: number };
  const words = new Int32Array(viewMemory(one.address, one.lengthBytes));
  let wrong = 0;
  for (let i = 0; i < LOST_PAGES; i++) {
    const page = thread === 3 ? LOST_PAGES - 1 - i : i;
    // The first two meet at every page.
    if (thread < 2 && Atomics.add(steps, i, 1) === 0) while (Atomics.load(steps, i) < 2);
    if (Atomics.load(words, (page * PAGE_BYTES) / 4) !== -1) wrong++;
  }
  parentPort?.postMessage(wrong);
}

export type LostCase = "truncated" | "outside" | "forgotten" | "forged" | "killed" | "huge" | "poisoned" | "threads";
const cases: Record<LostCase, () => object | Promise<object>> = {
  truncated,
  outside,
  forgotten,
  forged,
  killed,
  huge,
  poisoned,
  threads,
};
if (isMainThread) process.stdout.write(JSON.stringify(await cases[process.argv[2] as LostCase]()));
else touchAll();
