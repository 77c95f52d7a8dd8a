/**
 * The bandwidth of libc's memcpy, one thread: `node memcpy.js BLOCK_BYTES RUNTIME_MS`.
 * Copies blocks of a buffer that no cache holds, in order, into one block. Prints JSON.
 */
import koffi from "koffi";

const SOURCE_BYTES = 256 * 2 ** 20;
const [blockBytes, runtimeMs] = process.argv.slice(2).map(Number);
const memcpy = koffi.load("libc.so.6").func("void *memcpy(void *target, const void *source, size_t bytes)");

// Filled, so that every page of it is a page of its own.
const source = Buffer.alloc(SOURCE_BYTES, 0xa5);
const target = Buffer.alloc(blockBytes, 1);
const blocks = [];
for (let at = 0; at + blockBytes <= SOURCE_BYTES; at += blockBytes) blocks.push(source.subarray(at, at + blockBytes));
for (const block of blocks) memcpy(target, block, blockBytes);

let requests = 0;
const startMs = performance.now();
const endMs = startMs + runtimeMs;
while (performance.now() < endMs) {
  for (let i = 0; i < 16; i++) memcpy(target, blocks[requests++ % blocks.length], blockBytes);
}
console.log(JSON.stringify({ requests, seconds: (performance.now() - startMs) / 1000 }));
