/**
 * Owner, mode and times of `disk` and its directory. They last as long as the
 * mount, whose threads share them: the pool stores bytes, not attributes.
 */
import { PAGE_BYTES, SECTOR_BYTES } from "../base/units.js";
import { fuse_attr, fuse_statx, S_IFDIR, S_IFREG } from "./abi.js";
import { NODE_DISK } from "./directory.js";
import type { Exchange } from "./exchange.js";

export const ATTRIBUTE_DOUBLES = 16;
const MODE = 0;
const UID = 1;
const GID = 2;
const ATIME = 3;
const MTIME = 5;
const CTIME = 7;
/** When `mtime` was set explicitly; a later write overrides it. */
const MTIME_SET_MS = 9;
const MOUNTED_MS = 10;
/** 0 if never set, as in a session begun by an older version. */
const DIRECTORY_MODE = 11;
const DIRECTORY_MODE_DEFAULT = 0o755;

const { ino, size, blocks, atime, mtime, ctime, mode, nlink, uid, gid, blksize } = fuse_statx.word;
const nanoseconds = { atimensec: atime + 2, mtimensec: mtime + 2, ctimensec: ctime + 2 };
const statxWords = { ino, size, blocks, atime, mtime, ctime, mode, nlink, uid, gid, blksize, ...nanoseconds };

export interface NodeFacts {
  readonly node: number;
  readonly sizeBytes: number;
  readonly heldBytes: number;
  /** Time of the last change of data, ms since the epoch; 0 for none. */
  readonly changedMs: number;
}

export class Attributes {
  /** @param doubles ATTRIBUTE_DOUBLES, shared by all threads */
  constructor(private readonly doubles: Float64Array) {}

  init(mode: number, uid: number, gid: number, nowMs: number): void {
    this.doubles[MODE] = mode;
    this.doubles[UID] = uid;
    this.doubles[GID] = gid;
    for (const time of [ATIME, MTIME, CTIME]) this.setTime(time, nowMs);
    this.doubles[MTIME_SET_MS] = nowMs;
    this.doubles[MOUNTED_MS] = nowMs;
  }

  get mode(): number {
    return this.doubles[MODE];
  }

  get uid(): number {
    return this.doubles[UID];
  }

  get gid(): number {
    return this.doubles[GID];
  }

  setMode(mode: number): void {
    this.doubles[MODE] = mode & 0o7777;
  }

  setDirectoryMode(mode: number): void {
    this.doubles[DIRECTORY_MODE] = S_IFDIR | (mode & 0o1777);
  }

  setUid(uid: number): void {
    this.doubles[UID] = uid;
  }

  setGid(gid: number): void {
    this.doubles[GID] = gid;
  }

  setAtime(seconds: number, nanoseconds: number): void {
    this.doubles[ATIME] = seconds;
    this.doubles[ATIME + 1] = nanoseconds;
  }

  setMtime(seconds: number, nanoseconds: number, nowMs: number): void {
    this.doubles[MTIME] = seconds;
    this.doubles[MTIME + 1] = nanoseconds;
    this.doubles[MTIME_SET_MS] = nowMs;
  }

  touchCtime(nowMs: number): void {
    this.setTime(CTIME, nowMs);
  }

  /** Writes the `fuse_attr` of a node to the reply body at word `at`. */
  putAttr(to: Exchange, at: number, facts: NodeFacts): void {
    this.put(to, at, fuse_attr.word, facts);
  }

  /** Writes the `fuse_statx` of a node to the reply body at word `at`. */
  putStatx(to: Exchange, at: number, facts: NodeFacts, mask: number): void {
    to.putU32(at + fuse_statx.word.mask, mask);
    this.put(to, at, statxWords, facts);
  }

  private put(to: Exchange, at: number, word: Pick<typeof fuse_attr.word, keyof typeof statxWords>, facts: NodeFacts) {
    const isDisk = facts.node === NODE_DISK;
    to.putU64(at + word.ino, facts.node);
    to.putU64(at + word.size, facts.sizeBytes);
    to.putU64(at + word.blocks, facts.heldBytes / SECTOR_BYTES);
    this.putTime(to, at + word.atime, at + word.atimensec, isDisk ? ATIME : -1, 0);
    this.putTime(to, at + word.mtime, at + word.mtimensec, isDisk ? MTIME : -1, facts.changedMs);
    this.putTime(to, at + word.ctime, at + word.ctimensec, isDisk ? CTIME : -1, facts.changedMs);
    to.putU32(at + word.mode, this.modeOf(facts.node));
    to.putU32(at + word.nlink, isDisk ? 1 : 2);
    to.putU32(at + word.uid, this.uid);
    to.putU32(at + word.gid, this.gid);
    to.putU32(at + word.blksize, PAGE_BYTES);
  }

  modeOf(node: number): number {
    if (node === NODE_DISK) return S_IFREG | this.mode;
    return this.doubles[DIRECTORY_MODE] || S_IFDIR | DIRECTORY_MODE_DEFAULT;
  }

  private get ctimeMs(): number {
    return this.doubles[CTIME] * 1000 + this.doubles[CTIME + 1] / 1_000_000;
  }

  private setTime(at: number, ms: number): void {
    this.doubles[at] = Math.floor(ms / 1000);
    this.doubles[at + 1] = (ms % 1000) * 1_000_000;
  }

  /** @param time ATIME, MTIME or CTIME of the disk; -1 for the directory, which is as old as the mount */
  private putTime(to: Exchange, secondsAt: number, nanosecondsAt: number, time: number, changedMs: number): void {
    const setMs = time === MTIME ? this.doubles[MTIME_SET_MS] : time === CTIME ? this.ctimeMs : Infinity;
    if (time === -1 || changedMs > setMs) {
      const ms = time === -1 ? this.doubles[MOUNTED_MS] : changedMs;
      to.putSeconds(secondsAt, Math.floor(ms / 1000));
      to.putU32(nanosecondsAt, (ms % 1000) * 1_000_000);
    } else {
      to.putSeconds(secondsAt, this.doubles[time]);
      to.putU32(nanosecondsAt, this.doubles[time + 1]);
    }
  }
}
