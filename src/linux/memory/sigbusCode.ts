/**
 * The handler of SIGBUS as machine code: void handler(int, siginfo_t *, void *).
 *
 * It is position-independent and one page long; its words are the page after
 * it. It calls nothing but the kernel, and may use every register: sigreturn
 * puts all of them back. The address and the count are stored before the ones
 * are mapped: who reads ones that another thread mapped finds the count up.
 *
 * A fault (si_code 2 to 5: BUS_ADRERR, BUS_OBJERR, BUS_MCEERR_AR, BUS_MCEERR_AO)
 * in a range: mmap(address & grainMask, grain, PROT_READ | PROT_WRITE,
 * MAP_PRIVATE | MAP_FIXED, onesFd, address & grainMask & onesMask).
 * Anything else: rt_sigaction(SIGBUS, SIG_DFL) and tgkill(this thread, SIGBUS),
 * which is delivered when the handler has returned.
 */
import { assert } from "../../base/assert.js";
import { struct } from "../../base/struct.js";
import { PAGE_BYTES } from "../../base/units.js";

export const RANGES = 8;
const WORDS_BYTES = 72;
const RANGE_BYTES = 32;

/** The words that the handler uses; the ranges follow. */
export const guardWords = struct("guard_words", WORDS_BYTES, {
  count: "u32",
  reserved: "u32",
  firstAddress: "u64",
  lastAddress: "u64",
  onesFd: "u32",
  reserved2: "u32",
  /** Length of the file of ones less one; a power of two less one. */
  onesMask: "u64",
  /** The kernel's struct sigaction of SIG_DFL: zeros. */
  defaultAction: ["u64", 4],
});

/** A range; none where `length` is 0. */
export const guardRange = struct("guard_range", RANGE_BYTES, {
  start: "u64",
  length: "u64",
  grainMask: "u64",
  grain: "u64",
});

/** The bytes of one instruction, and what they are. */
type CodeRow = readonly [bytes: string, instruction: string];

export const X64_CODE: readonly CodeRow[] = [
  ["48 8d 1d f9 0f 00 00", "lea rbx, [words]"],
  ["8b 46 08", "mov eax, dword [rsi+0x8]"],
  ["83 e8 02", "sub eax, 0x2"],
  ["83 f8 03", "cmp eax, 0x3"],
  ["77 61", "ja default"],
  ["4c 8b 66 10", "mov r12, qword [rsi+0x10]"],
  ["48 8d 4b 48", "lea rcx, [rbx+0x48]"],
  ["ba 08 00 00 00", "mov edx, 0x8"],
  // next:
  ["4c 89 e0", "mov rax, r12"],
  ["48 2b 01", "sub rax, qword [rcx]"],
  ["48 3b 41 08", "cmp rax, qword [rcx+0x8]"],
  ["72 0a", "jb found"],
  ["48 83 c1 20", "add rcx, 0x20"],
  ["ff ca", "dec edx"],
  ["75 ec", "jne next"],
  ["eb 3e", "jmp default"],
  // found:
  ["31 c0", "xor eax, eax"],
  ["f0 4c 0f b1 63 08", "lock cmpxchg qword [rbx+0x8], r12"],
  ["4c 89 63 10", "mov qword [rbx+0x10], r12"],
  ["f0 83 03 01", "lock add dword [rbx], 0x1"],
  ["4c 89 e7", "mov rdi, r12"],
  ["48 23 79 10", "and rdi, qword [rcx+0x10]"],
  ["48 8b 71 18", "mov rsi, qword [rcx+0x18]"],
  ["ba 03 00 00 00", "mov edx, 0x3"],
  ["41 ba 12 00 00 00", "mov r10d, 0x12"],
  ["44 8b 43 18", "mov r8d, dword [rbx+0x18]"],
  ["49 89 f9", "mov r9, rdi"],
  ["4c 23 4b 20", "and r9, qword [rbx+0x20]"],
  ["b8 09 00 00 00", "mov eax, 0x9"],
  ["0f 05", "syscall"],
  ["48 39 f8", "cmp rax, rdi"],
  ["75 01", "jne default"],
  ["c3", "ret"],
  // default:
  ["bf 07 00 00 00", "mov edi, 0x7"],
  ["48 8d 73 28", "lea rsi, [rbx+0x28]"],
  ["31 d2", "xor edx, edx"],
  ["41 ba 08 00 00 00", "mov r10d, 0x8"],
  ["b8 0d 00 00 00", "mov eax, 0xd"],
  ["0f 05", "syscall"],
  ["b8 27 00 00 00", "mov eax, 0x27"],
  ["0f 05", "syscall"],
  ["89 c7", "mov edi, eax"],
  ["b8 ba 00 00 00", "mov eax, 0xba"],
  ["0f 05", "syscall"],
  ["89 c6", "mov esi, eax"],
  ["ba 07 00 00 00", "mov edx, 0x7"],
  ["b8 ea 00 00 00", "mov eax, 0xea"],
  ["0f 05", "syscall"],
  ["c3", "ret"],
];

export const ARM64_CODE: readonly CodeRow[] = [
  ["13 80 00 10", "adr x19, words"],
  ["29 08 40 b9", "ldr w9, [x1, #8]"],
  ["29 09 00 51", "sub w9, w9, #0x2"],
  ["3f 0d 00 71", "cmp w9, #0x3"],
  ["68 04 00 54", "b.hi default"],
  ["34 08 40 f9", "ldr x20, [x1, #16]"],
  ["6a 22 01 91", "add x10, x19, #0x48"],
  ["0b 01 80 52", "mov w11, #0x8"],
  // next:
  ["4c 35 40 a9", "ldp x12, x13, [x10]"],
  ["8c 02 0c cb", "sub x12, x20, x12"],
  ["9f 01 0d eb", "cmp x12, x13"],
  ["a3 00 00 54", "b.cc found"],
  ["4a 81 00 91", "add x10, x10, #0x20"],
  ["6b 05 00 71", "subs w11, w11, #0x1"],
  ["41 ff ff 54", "b.ne next"],
  ["18 00 00 14", "b default"],
  // found:
  ["6c 22 00 91", "add x12, x19, #0x8"],
  // first:
  ["8d fd 5f c8", "ldaxr x13, [x12]"],
  ["6d 00 00 b5", "cbnz x13, last"],
  ["94 fd 0e c8", "stlxr w14, x20, [x12]"],
  ["ae ff ff 35", "cbnz w14, first"],
  // last:
  ["74 0a 00 f9", "str x20, [x19, #16]"],
  // count:
  ["6d fe 5f 88", "ldaxr w13, [x19]"],
  ["ad 05 00 11", "add w13, w13, #0x1"],
  ["6d fe 0e 88", "stlxr w14, w13, [x19]"],
  ["ae ff ff 35", "cbnz w14, count"],
  ["4c 05 41 a9", "ldp x12, x1, [x10, #16]"],
  ["80 02 0c 8a", "and x0, x20, x12"],
  ["ef 03 00 aa", "mov x15, x0"],
  ["62 00 80 52", "mov w2, #0x3"],
  ["43 02 80 52", "mov w3, #0x12"],
  ["64 1a 40 b9", "ldr w4, [x19, #24]"],
  ["65 12 40 f9", "ldr x5, [x19, #32]"],
  ["a5 00 00 8a", "and x5, x5, x0"],
  ["c8 1b 80 d2", "mov x8, #0xde"],
  ["01 00 00 d4", "svc #0x0"],
  ["1f 00 0f eb", "cmp x0, x15"],
  ["41 00 00 54", "b.ne default"],
  ["c0 03 5f d6", "ret"],
  // default:
  ["e0 00 80 52", "mov w0, #0x7"],
  ["61 a2 00 91", "add x1, x19, #0x28"],
  ["02 00 80 d2", "mov x2, #0x0"],
  ["03 01 80 d2", "mov x3, #0x8"],
  ["c8 10 80 d2", "mov x8, #0x86"],
  ["01 00 00 d4", "svc #0x0"],
  ["88 15 80 d2", "mov x8, #0xac"],
  ["01 00 00 d4", "svc #0x0"],
  ["e9 03 00 2a", "mov w9, w0"],
  ["48 16 80 d2", "mov x8, #0xb2"],
  ["01 00 00 d4", "svc #0x0"],
  ["e1 03 00 2a", "mov w1, w0"],
  ["e0 03 09 2a", "mov w0, w9"],
  ["e2 00 80 52", "mov w2, #0x7"],
  ["68 10 80 d2", "mov x8, #0x83"],
  ["01 00 00 d4", "svc #0x0"],
  ["c0 03 5f d6", "ret"],
];

/** The handler's bytes for `architecture` (process.arch); null where there are none. */
export function handlerCode(architecture: string): Uint8Array | null {
  const rows = architecture === "x64" ? X64_CODE : architecture === "arm64" ? ARM64_CODE : null;
  if (rows === null) return null;
  const bytes = rows.flatMap(([hex]) => hex.split(" ").map((byte) => Number.parseInt(byte, 16)));
  assert(bytes.length <= PAGE_BYTES, "the handler is longer than its page");
  return Uint8Array.from(bytes);
}

// The offsets that stand in the code.
const { offset } = guardWords;
assert(offset.count === 0 && offset.firstAddress === 8 && offset.lastAddress === 16, "words of the faults moved");
assert(offset.onesFd === 24 && offset.onesMask === 32 && offset.defaultAction === 40, "words of the handler moved");
assert(WORDS_BYTES === 0x48 && RANGE_BYTES === 0x20 && RANGES === 8, "the ranges moved");
assert(guardRange.offset.length === 8 && guardRange.offset.grainMask === 16, "words of a range moved");
assert(guardRange.offset.grain === 24 && PAGE_BYTES === 0x1000, "words of a range moved");
