/** The pools that requests go to, each with the model of its file. */
import { EIO } from "../../../src/base/errno.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { DirectServer } from "../../protocol/support/directServer.js";
import { type ServerOptions, WireServer } from "../../protocol/support/server.js";
import type { Random } from "../../support/random.js";
import { FileModel } from "./model.js";
import type { Circumstances } from "./oracle.js";

export interface Subject {
  readonly model: FileModel;
  /** All that a refused request may not change. */
  readonly watched: readonly ArrayBufferView[];
  /** A flush may fail for the first time. */
  readonly mayFail: boolean;
  readonly capacityPages: number;
  readonly blocks: number;
  send(bytes: Uint8Array): Uint8Array | null;
  now(): Circumstances;
  isMapped(block: number): boolean;
  /** The bytes of a mapped block. */
  block(block: number): Uint8Array;
  /** What others may do to the file between two requests. @returns whether they did */
  disturb(random: Random): boolean;
  /** What is wrong with the account, or null. */
  accountFault(): string | null;
}

interface ServedKind extends ServerOptions {
  /** Most pages that the backing holds. */
  readonly limitPages?: number;
  /** Good syncs before one fails; absent: none does. */
  readonly goodSyncs?: number;
}

const noise = Uint8Array.from({ length: 65_536 }, (_, i) => 1 + (((i * 2654435761) >>> 9) % 255));

/** Bytes of which no two blocks have the same. */
export function noiseBytes(random: Random, length: number): Uint8Array {
  const from = random.below(4096);
  return noise.slice(from, from + length);
}

class ServedSubject implements Subject {
  readonly model: FileModel;
  readonly watched: readonly ArrayBufferView[];
  readonly mayFail: boolean;
  private readonly server: WireServer;
  private readonly limitPages: number;

  constructor(
    private readonly kind: ServedKind,
    random: Random,
  ) {
    const { blocks = 8, maxBlocks = 12 } = kind;
    this.model = new FileModel(blocks, maxBlocks);
    this.server = new WireServer(kind);
    for (let i = random.below(3); i > 0; i--) {
      const bytes = noiseBytes(random, 1 + random.below(6000));
      const offset = random.below(blocks * PAGE_BYTES - bytes.length);
      this.server.put(offset, bytes);
      this.model.write(offset, bytes);
    }
    this.limitPages = kind.limitPages ?? Infinity;
    this.server.memory.limitPages = this.limitPages;
    this.mayFail = kind.goodSyncs !== undefined;
    if (kind.goodSyncs !== undefined) {
      const good = random.below(kind.goodSyncs);
      this.server.memory.syncErrnos.push(...new Array<number>(good).fill(0), EIO);
    }
    this.watched = this.server.watched;
  }

  get capacityPages(): number {
    return this.server.pool.geometry.dataPages;
  }

  get blocks(): number {
    return this.server.pool.blocks;
  }

  send(bytes: Uint8Array): Uint8Array | null {
    return this.server.send(bytes);
  }

  now(): Circumstances {
    const { pool, memory } = this.server;
    const { used, limbo } = pool.account;
    const inBacking = this.limitPages - (memory.held.size - limbo) - (pool.index.isPresent(0) ? 0 : 1);
    return {
      readOnly: this.kind.readOnly ?? false,
      isDirect: false,
      isAtomic: this.kind.atomicWrites ?? false,
      isStopped: pool.writesStopped,
      room: Math.min(this.capacityPages - used, inBacking),
    };
  }

  isMapped(block: number): boolean {
    return this.server.pool.index.get(block) !== 0;
  }

  block(block: number): Uint8Array {
    const at = this.server.pool.index.get(block) * PAGE_BYTES;
    return this.server.memory.bytes.subarray(at, at + PAGE_BYTES);
  }

  disturb(random: Random): boolean {
    if (this.kind.durable !== true || !random.chance(0.05)) return false;
    // As housekeeping does it.
    this.server.pool.flushAndDrain();
    return true;
  }

  accountFault(): string | null {
    const { used, limbo, metadata } = this.server.pool.account;
    const mapped = this.model.mappedBlocks;
    if (used !== mapped) return `${used} pages are counted, ${mapped} blocks are mapped`;
    const held = this.server.memory.held.size;
    // Pages in limbo that were punched before a flush failed stay there, as the punch is not on the media.
    if (this.server.pool.writesStopped && held >= used + metadata && held < used + limbo + metadata) return null;
    return used + limbo + metadata === held ? null : `${used} + ${limbo} + ${metadata} pages are counted, ${held} held`;
  }
}

class DirectSubject implements Subject {
  readonly model = new FileModel(30, 32);
  readonly watched: readonly ArrayBufferView[];
  readonly mayFail: boolean;
  readonly capacityPages = 34;
  private readonly server: DirectServer;
  private readonly readOnly: boolean;

  constructor(options: { readonly readOnly?: boolean; readonly goodSyncs?: number }, random: Random) {
    this.readOnly = options.readOnly ?? false;
    this.mayFail = options.goodSyncs !== undefined;
    let left = options.goodSyncs === undefined ? Infinity : random.below(options.goodSyncs);
    this.server = new DirectServer({
      readOnly: this.readOnly,
      durable: this.mayFail,
      watch: ({ verb }) => (verb === "sync" && left-- <= 0 ? EIO : 0),
    });
    for (let i = random.below(4); i > 0; i--) this.kernelWrites(random);
    const { fake } = this.server.pool;
    this.watched = [fake.bytes.subarray(0, fake.pageCount * PAGE_BYTES), this.server.doubles];
  }

  get blocks(): number {
    return this.server.pool.account.blocks;
  }

  send(bytes: Uint8Array): Uint8Array | null {
    return this.server.send(bytes);
  }

  now(): Circumstances {
    return {
      readOnly: this.readOnly,
      isDirect: true,
      isAtomic: false,
      isStopped: this.server.pool.file.failedErrno !== 0,
      room: Infinity,
    };
  }

  isMapped(block: number): boolean {
    const { fake } = this.server.pool;
    return fake.holds(fake.metadataPages + block);
  }

  block(block: number): Uint8Array {
    const { fake } = this.server.pool;
    return fake.page(fake.metadataPages + block);
  }

  disturb(random: Random): boolean {
    const isOver = this.readOnly || this.server.pool.file.failedErrno !== 0;
    if (isOver || this.model.blocks <= 2 || !random.chance(0.1)) return false;
    this.kernelWrites(random);
    return true;
  }

  accountFault(): string | null {
    const { data } = this.server.pool;
    // A change of size whose flush fails leaves data longer: nothing goes on after that.
    const isHalf = this.server.pool.file.failedErrno !== 0 && data.lengthBytes() > this.model.sizeBytes;
    if (!this.readOnly && !isHalf && data.lengthBytes() !== this.model.sizeBytes) {
      return `data has ${data.lengthBytes()} bytes, the file ${this.model.sizeBytes}`;
    }
    const held = data.heldPages();
    const mapped = this.model.mappedBlocks;
    return held === mapped ? null : `${held} pages are held, ${mapped} blocks are mapped`;
  }

  private kernelWrites(random: Random): void {
    const bytes = noiseBytes(random, 1 + random.below(6000));
    const offset = random.below(this.model.sizeBytes - bytes.length);
    this.server.pool.data.kernelWrites(offset, bytes);
    this.model.write(offset, bytes);
  }
}

interface SubjectKind {
  readonly name: string;
  readonly make: (random: Random) => Subject;
}

function served(name: string, kind: ServedKind): SubjectKind {
  return { name, make: (random) => new ServedSubject(kind, random) };
}

function direct(name: string, options: { readonly readOnly?: boolean; readonly goodSyncs?: number }): SubjectKind {
  return { name, make: (random) => new DirectSubject(options, random) };
}

export const subjectKinds: readonly SubjectKind[] = [
  served("fitting", {}),
  served("thin", { dataPages: 6 }),
  served("short backing", { limitPages: 9 }),
  served("two index pages", { blocks: 520, maxBlocks: 600, dataPages: 12 }),
  served("read-only", { readOnly: true }),
  served("durable and thin", { durable: true, dataPages: 6 }),
  served("failing flush", { durable: true, goodSyncs: 12, dataPages: 6 }),
  served("atomic writes", { atomicWrites: true }),
  served("atomic writes, thin", { atomicWrites: true, dataPages: 6 }),
  served("atomic writes, durable and thin", { atomicWrites: true, durable: true, dataPages: 6 }),
  direct("direct", {}),
  direct("direct, read-only", { readOnly: true }),
  direct("direct, failing flush", { goodSyncs: 12 }),
];
