/** The bytes of a DAX device, past kmemfs: only mmap works on it. */
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { deviceNumbers } from "../../../../src/linux/proc/procFile.js";
import { allocateBuffer } from "../../../../src/linux/syscall/buffers.js";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../../../../src/linux/syscall/constants.js";
import { memcpy } from "../../../../src/linux/syscall/libcData.js";
import { mmap, munmap } from "../../../../src/linux/syscall/libcMemory.js";

/** A device is mapped in multiples of this. */
const CHUNK_BYTES = 2 * 2 ** 20;

function withChunk(device: string, at: number, act: (address: number) => void): void {
  const fd = openSync(device, "r+");
  const address = mmap(0, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
  closeSync(fd);
  if (address < 0) throw new Error(`${device} cannot be mapped: ${address}`);
  act(address);
  munmap(address, CHUNK_BYTES);
}

/** Stores text at the beginning. */
export function storeAtDevice(device: string, text: string): void {
  const buffer = allocateBuffer(4096);
  new Uint8Array(buffer.bytes).set(Buffer.from(text, "latin1"));
  withChunk(device, 0, (address) => memcpy(address, buffer.address, text.length));
}

/** True when the text is somewhere on the device. */
export function holdsText(device: string, text: string): boolean {
  const { major, minor } = deviceNumbers(statSync(device).rdev);
  const sizeBytes = Number(readFileSync(`/sys/dev/char/${major}:${minor}/size`, "utf8"));
  const buffer = allocateBuffer(CHUNK_BYTES);
  const bytes = Buffer.from(buffer.bytes);
  for (let at = 0; at + CHUNK_BYTES <= sizeBytes; at += CHUNK_BYTES) {
    withChunk(device, at, (address) => memcpy(buffer.address, address, CHUNK_BYTES));
    if (bytes.includes(text, 0, "latin1")) return true;
  }
  return false;
}
