/**
 * A small stand-in for native memory: one array with addresses of its own, in
 * which the buffers of a thread and its pool lie, with forbidden gaps between.
 */
import { ENOSPC } from "../../../src/base/errno.js";
import { IovecList, MAX_IOVECS } from "../../../src/base/iovec.js";
import type { Memory } from "../../../src/base/ports.js";
import { PAGE_BYTES } from "../../../src/base/units.js";

const GAP_BYTES = PAGE_BYTES;
/** Above 2^32, so that an address cut to 32 bits is found out. */
const BASE_ADDRESS = 0x7f12_3456_7000;

export interface Region {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

export class Arena {
  private readonly regions: Region[] = [];
  private nextAddress = BASE_ADDRESS;

  allocate(lengthBytes: number): Region {
    const buffer = new ArrayBuffer(Math.ceil(lengthBytes / 4) * 4);
    const region = { address: this.nextAddress, bytes: new Uint8Array(buffer), words: new Int32Array(buffer) };
    this.nextAddress += Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES + GAP_BYTES;
    this.regions.push(region);
    return region;
  }

  /** The bytes at an address. @throws Error where nothing is, like a SIGSEGV */
  at(address: number, lengthBytes: number): Uint8Array {
    const region = this.regions.find(
      (each) => address >= each.address && address + lengthBytes <= each.address + each.bytes.length,
    );
    if (region === undefined) throw new Error(`no memory at ${address.toString(16)}, ${lengthBytes} bytes`);
    return region.bytes.subarray(address - region.address, address - region.address + lengthBytes);
  }
}

/** An iovec list whose entries can be looked at. */
export function makeIovecs(arena: Arena): ShownIovecs {
  const words = new Int32Array(MAX_IOVECS * 4);
  const view = new DataView(words.buffer);
  const list = new IovecList(words);
  const entry = (i: number): readonly [number, number] => [
    Number(view.getBigUint64(i * 16, true)),
    Number(view.getBigUint64(i * 16 + 8, true)),
  ];
  const gather = (): Uint8Array => {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < list.count; i++) parts.push(arena.at(...entry(i)));
    return Uint8Array.from(Buffer.concat(parts));
  };
  return { list, entry, gather };
}

interface ShownIovecs {
  readonly list: IovecList;
  /** Address and length in bytes of entry `i`. */
  readonly entry: (i: number) => readonly [number, number];
  /** All the bytes that it names. @throws Error where nothing is */
  readonly gather: () => Uint8Array;
}

/** Pool memory in an arena: knows what it holds, and dies of a store to what it does not. */
export class ArenaMemory implements Memory {
  readonly baseAddress: number;
  readonly needsPersist = false;
  readonly grainPages = 1;
  readonly canPunch = true;
  readonly held = new Set<number>();
  /** Most pages that can hold memory at once; more is ENOSPC. */
  limitPages = Infinity;
  /** Answers of the calls of `sync` to come; 0 when there is none left. */
  readonly syncErrnos: number[] = [];
  readonly bytes: Uint8Array;
  private readonly words: Int32Array;

  constructor(
    private readonly arena: Arena,
    readonly pageCount: number,
    readonly durable = false,
  ) {
    const region = arena.allocate(pageCount * PAGE_BYTES);
    this.baseAddress = region.address;
    this.bytes = region.bytes;
    this.words = region.words;
  }

  metadataWords(): Int32Array {
    return this.words;
  }

  populate(firstPage: number, pageCount: number): number {
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      if (this.held.has(page)) continue;
      if (this.held.size >= this.limitPages) return ENOSPC;
      this.held.add(page);
    }
    return 0;
  }

  fill(firstPage: number, pageCount: number, headBytes: number, sourceAddress: number, lengthBytes: number): number {
    const errno = this.populate(firstPage, pageCount);
    if (errno !== 0) return errno;
    const at = firstPage * PAGE_BYTES;
    this.bytes.fill(0, at, at + pageCount * PAGE_BYTES);
    this.bytes.set(this.arena.at(sourceAddress, lengthBytes), at + headBytes);
    return 0;
  }

  write(at: number, sourceAddress: number, lengthBytes: number): number {
    this.mustHold(at, lengthBytes);
    this.bytes.set(this.arena.at(sourceAddress, lengthBytes), at);
    return 0;
  }

  zero(at: number, lengthBytes: number): number {
    this.mustHold(at, lengthBytes);
    this.bytes.fill(0, at, at + lengthBytes);
    return 0;
  }

  release(firstPage: number, pageCount: number): number {
    for (let page = firstPage; page < firstPage + pageCount; page++) this.held.delete(page);
    this.bytes.fill(0, firstPage * PAGE_BYTES, (firstPage + pageCount) * PAGE_BYTES);
    return 0;
  }

  persist(): void {}

  faultIn(): void {}

  sync(): number {
    return this.syncErrnos.shift() ?? 0;
  }

  nextHeld(fromPage: number, endPage: number): number {
    for (let page = fromPage; page < endPage; page++) if (this.held.has(page)) return page;
    return endPage;
  }

  nextUnheld(fromPage: number, endPage: number): number {
    for (let page = fromPage; page < endPage; page++) if (!this.held.has(page)) return page;
    return endPage;
  }

  private mustHold(at: number, lengthBytes: number): void {
    const end = Math.ceil((at + lengthBytes) / PAGE_BYTES);
    for (let page = Math.floor(at / PAGE_BYTES); page < end; page++) {
      if (!this.held.has(page)) throw new Error(`store to page ${page}, which holds no memory`);
    }
  }
}
