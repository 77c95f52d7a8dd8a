/**
 * The two I/O modes, as a server opens the pool for them: served through
 * our threads and the index, or direct through the kernel.
 */
import { asShortage, EIO, ENOSPC, errnoName } from "../../base/errno.js";
import { MediaError, UserError } from "../../base/errors.js";
import type { Memory } from "../../base/ports.js";
import { bytesToPagesFloor, PAGE_BYTES } from "../../base/units.js";
import { LinuxDataFile } from "../../linux/backing/dataFile.js";
import { readMetadata } from "../../linux/backing/readMetadata.js";
import type { MemoryMapping } from "../../linux/memory/mapping.js";
import type { Faults } from "../../linux/memory/sigbusGuard.js";
import { Account } from "../../pool/account.js";
import { Damage } from "../../pool/damage.js";
import { beginDirect, endDirect, recoverDirect } from "../../pool/directMode.js";
import type { Geometry } from "../../pool/geometry.js";
import { failedErrno, noteFailed } from "../../pool/persistentState.js";
import { closePool, probePool } from "../../pool/probe.js";
import { CONTROL, type PoolShared } from "../../pool/sharedState.js";
import { decode, STATE_CLEAN, STATE_DIRECT, type Superblock } from "../../pool/superblock.js";
import { superblockPage } from "../../pool/superblockStore.js";
import type { ServerConfig, SessionMemory } from "../session/sessionMemory.js";
import { composeDirect } from "./compose.js";
import { type Housekeeping, keepDirect, keepServed, noteFaults } from "./housekeeping.js";
import { warnHolder } from "./serverEnd.js";

/** How long the last users of the file may take to close it once the session has ended. */
const LET_GO_MS = 1_000;
const LET_GO_STEP_MS = 20;

export interface OpenParts {
  readonly config: ServerConfig;
  readonly mapping: MemoryMapping;
  readonly memory: Memory;
  readonly geometry: Geometry;
  readonly shared: PoolShared;
  readonly session: SessionMemory;
  readonly faults: Faults | null;
}

/** A pool that is open for all threads of this server. */
export interface OpenedForIo {
  readonly io: "served" | "direct";
  /** Why not direct, where the pool itself is the reason. */
  readonly ioReason: string | null;
  /** The pool had not been closed. */
  readonly wasUnclean: boolean;
  /** Run every `periodMs` on the main thread. */
  readonly housekeeping: Housekeeping;
  /** After all other threads have ended. @throws UserError when the pool stays unclean */
  close(): void;
}

/**
 * The superblock as it is now: the server before this one may still change it.
 * @throws MediaError, also when its layout is not the one that the session was begun with
 */
export function requireGeometry({ backing, geometry }: Pick<ServerConfig, "backing" | "geometry">): Superblock {
  const superblock = decode(readMetadata(backing, 0, PAGE_BYTES), backing.pageCount);
  for (const name of ["indexPages", "maxBlocks"] as const) {
    const [expected, found] = [geometry[name], superblock.geometry[name]].map(String);
    if (expected !== found) throw new MediaError(name, expected, found, 0);
  }
  return superblock;
}

/**
 * Opens the pool, direct where `config.direct` allows it and every block is at home. In a session that goes
 * on, what is found wrong costs no more than it would have cost the server before: from then on nothing changes.
 * @throws UserError, MediaError
 */
export function openForIo(parts: OpenParts, superblock: Superblock): OpenedForIo {
  try {
    return openOnce(parts, superblock);
  } catch (error) {
    const isExpected = error instanceof UserError || error instanceof MediaError;
    if (!parts.config.isRestart || !isExpected || parts.config.readOnly) throw error;
    const { shared, session } = parts;
    // The cause is not known, so the pool needs a check.
    if (!isFixed(parts)) noteFailed(session.persistentWords, EIO);
    warnHolder(`the next server found: ${error.message}`);
    for (const words of [shared.freeMap, shared.freeSummary, shared.present, shared.grains]) words.fill(0);
    return openOnce(parts, superblock);
  }
}

function openOnce(parts: OpenParts, superblock: Superblock): OpenedForIo {
  const { config, memory, geometry, shared, session } = parts;
  // Whatever cut it off: the holes of `data` are the truth still.
  const wasCutOff = superblock.state === STATE_DIRECT;
  const fixed = isFixed(parts);
  if (wasCutOff && !fixed) requireWholeData(parts, superblock);
  if (wasCutOff && config.direct !== null) return openDirect(parts, superblock);
  const found = wasCutOff ? recover(parts, superblock) : superblock;
  const poolParts = { memory, geometry, shared, persistentWords: session.persistentWords, thread: 0 };
  const { pool, blocksAway } = probePool(poolParts, found, { readOnly: fixed });
  if (config.direct !== null && blocksAway === 0) return openDirect(parts, superblock);
  const path = config.backing.path ?? config.backing.kind;
  const ioReason =
    config.direct === null
      ? null
      : `${blocksAway} blocks are not on their home pages; kmemfs rehome ${path} moves them`;
  if (config.direct?.only) {
    // A mount that is refused leaves the pool as it was.
    if (!config.readOnly) closePool(pool);
    const cure = `kmemfs rehome ${path}, or --io auto`;
    throw new UserError(path, `${blocksAway} blocks are not on their home pages`, { code: "EOPNOTSUPP", cure });
  }
  return {
    io: "served",
    ioReason,
    wasUnclean: superblock.state !== STATE_CLEAN,
    housekeeping: keepServed(pool, config.backing, parts.faults),
    close: () => {
      noteFaults(pool, parts.faults);
      closePool(pool);
    },
  };
}

/** True when nothing on the media may change: asked for, or something was lost, perhaps to a server before this one. */
function isFixed({ config, session, shared }: OpenParts): boolean {
  const { persistentWords } = session;
  if (failedErrno(persistentWords) !== 0) return true;
  return config.readOnly || new Damage(persistentWords, shared.control).isFound;
}

/** We never leave data shorter than the disk. @throws UserError when it is: what is missing would read as holes */
function requireWholeData({ config, session, shared, geometry }: OpenParts, { blocks }: Superblock): void {
  const { backing } = config;
  const lengthBytes = new LinuxDataFile(backing.dataFd).lengthBytes();
  if (lengthBytes >= blocks * PAGE_BYTES) return;
  const damage = new Damage(session.persistentWords, shared.control);
  if (config.isRestart) damage.noteTruncated(geometry.firstDataPage + bytesToPagesFloor(lengthBytes));
  const path = backing.path ?? backing.kind;
  const reason = `another process truncated data to ${lengthBytes} of ${blocks * PAGE_BYTES} bytes`;
  throw new UserError(path, reason, { code: "EIO", cure: `kmemfs check --repair ${path}, which lists what is lost` });
}

function openDirect(parts: OpenParts, superblock: Superblock): OpenedForIo {
  const { config, mapping, memory, geometry, shared, session } = parts;
  const data = new LinuxDataFile(config.backing.dataFd);
  const account = new Account(session.persistentWords, geometry.dataPages);
  if (!isFixed(parts)) must(beginDirect(memory, data, superblock.blocks));
  account.reset(0, 0);
  account.setBlocks(superblock.blocks);
  const file = composeDirect({ mapping, geometry, shared, session, readOnly: config.readOnly, thread: 0 });
  return {
    io: "direct",
    ioReason: null,
    wasUnclean: superblock.state !== STATE_CLEAN,
    housekeeping: keepDirect(file, account, config.backing, parts.faults),
    close: () => {
      // A private pool is never opened again.
      if (config.backing.path === null) return;
      const lost = file.failedErrno;
      if (lost !== 0) throw new UserError("pool", "it could not be flushed", { code: errnoName(lost) });
      if (parts.faults !== null && parts.faults.count > 0) file.noteLoss(parts.faults);
      const alone = isAlone(data, shared);
      // It may have been truncated since the last check.
      file.keepLength();
      if (file.damage.isFound)
        throw new UserError("pool", "it is damaged, and stays marked as in use", { code: "EIO" });
      if (!alone) {
        // Ended by force: the kernel goes on writing for them, and its writes must count.
        warnHolder("the disk may still be open elsewhere: the pool stays marked as in use");
        must(memory.sync());
        return;
      }
      const errno = endDirect(memory, data, geometry, account.blocks);
      // The data is whole, and the next mount has no need of an index, or makes it.
      if (asShortage(errno) === ENOSPC) {
        warnHolder(`no room for the pool's index (${errnoName(errno)}): it stays marked as in use`);
      } else must(errno);
    },
  };
}

/** Waits a moment: what was closed just now the kernel lets go a little later (delayed_fput). */
function isAlone(data: LinuxDataFile, { control }: PoolShared): boolean {
  process.on("SIGIO", () => {});
  for (let waitedMs = 0; data.isWrittenElsewhere(); waitedMs += LET_GO_STEP_MS) {
    if (waitedMs >= LET_GO_MS) return false;
    Atomics.wait(control, CONTROL.pause, 0, LET_GO_STEP_MS);
  }
  return true;
}

/** @returns the superblock as it is then. @throws UserError when the index cannot be had back */
function recover({ config, memory, geometry }: OpenParts, superblock: Superblock): Superblock {
  if (config.readOnly) {
    const path = config.backing.path ?? config.backing.kind;
    const reason = "was not closed after use in direct mode, and only a writable mount can rebuild its index";
    throw new UserError(path, reason, { code: "EROFS", cure: "mount it once without --read-only" });
  }
  must(recoverDirect(memory, new LinuxDataFile(config.backing.dataFd), geometry, superblock.blocks));
  return decode(superblockPage(memory), geometry.pageCount);
}

/** @throws UserError for an errno */
function must(errno: number): void {
  if (errno !== 0) throw new UserError("pool", "its metadata cannot be written", { code: errnoName(errno) });
}
