/** Shared by the tests of src/linux: temporary directories, mappings, and their end. */
import { fstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { UserError } from "../../../src/base/errors.js";
import type { Memory } from "../../../src/base/ports.js";
import { type Backing, closeBacking } from "../../../src/linux/backing/backing.js";
import { type MemoryMapping, mapBacking, unmapBacking } from "../../../src/linux/memory/mapping.js";
import { attachMemory } from "../../../src/linux/memory/memory.js";
import { allocateBuffer } from "../../../src/linux/syscall/buffers.js";
import { viewMemory } from "../../../src/linux/syscall/libcMemory.js";

export const isRoot = process.geteuid?.() === 0;

export interface Attached {
  readonly facts: Backing;
  readonly mapping: MemoryMapping;
  readonly memory: Memory;
}

/** Runs `act` on the mapped backing and lets go of it afterwards, also on failure. */
export function withMemory(facts: Backing, metadataPages: number, act: (attached: Attached) => void): void {
  try {
    const mapping = mapBacking(facts, metadataPages);
    try {
      act({ facts, mapping, memory: attachMemory(JSON.parse(JSON.stringify(mapping)) as MemoryMapping) });
    } finally {
      unmapBacking(mapping);
    }
  } finally {
    closeBacking(facts);
  }
}

export function withDirectory(act: (directory: string) => void, under = tmpdir()): void {
  const directory = mkdtempSync(join(under, "kmemfs-linux-"));
  try {
    act(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Files below `directory`, a line each. */
export function plant(directory: string, files: Readonly<Record<string, string | number>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(`${directory}/${name}`), { recursive: true });
    writeFileSync(`${directory}/${name}`, `${text}\n`);
  }
}

/**
 * A tree as that of /sys has a DAX device, dax0.0. @param files its attributes
 * @param driver null: the device is disabled
 */
export function daxTree(
  directory: string,
  files: Readonly<Record<string, string | number>>,
  device = "251:0",
  driver: string | null = "device_dax",
  subsystem = "bus/dax",
): void {
  const place = `${directory}/sys/devices/platform/e820_pmem/ndbus0/region0/dax0.1/dax0.0`;
  mkdirSync(place, { recursive: true });
  mkdirSync(`${directory}/sys/dev/char`, { recursive: true });
  symlinkSync("../../devices/platform/e820_pmem/ndbus0/region0/dax0.1/dax0.0", `${directory}/sys/dev/char/${device}`);
  symlinkSync(`../../../../../../../${subsystem}`, `${place}/subsystem`);
  if (driver !== null) symlinkSync(`../../../../../../../bus/dax/drivers/${driver}`, `${place}/driver`);
  plant(place, files);
}

/** A native buffer of `lengthBytes` bytes `byte`. */
export function filled(lengthBytes: number, byte: number): number {
  const buffer = allocateBuffer(lengthBytes);
  new Uint8Array(buffer.bytes).fill(byte);
  return buffer.address;
}

/** A copy of bytes of the pool, which must hold memory. */
export function poolBytes(memory: Memory, at: number, lengthBytes: number): Uint8Array {
  return new Uint8Array(viewMemory(memory.baseAddress + at, lengthBytes)).slice();
}

/** The UserError that `act` throws. */
export function userError(act: () => unknown): UserError {
  try {
    act();
  } catch (error) {
    if ((error as Error).name === "UserError") return error as UserError;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** What the backing really holds, bytes: st_blocks of its files. */
export function heldBytes({ metaFd, dataFd }: Backing): number {
  return [...new Set([metaFd, dataFd])].reduce((sum, fd) => sum + fstatSync(fd).blocks * 512, 0);
}
