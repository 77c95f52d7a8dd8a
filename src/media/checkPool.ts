/** What `kmemfs check`, `kmemfs dump` and `kmemfs rehome` do with a pool that nobody has mounted. */
import { fsyncSync, ftruncateSync } from "node:fs";
import { UserError } from "../base/errors.js";
import { PAGE_BYTES } from "../base/units.js";
import { type Backing, closeBacking } from "../linux/backing/backing.js";
import { openBacking } from "../linux/backing/openBacking.js";
import {
  type CheckEvents,
  type CheckedMemory,
  type CheckInput,
  type CheckSummary,
  checkPool as checkMemory,
} from "../pool/check.js";
import { type DumpEvents, dumpPool } from "../pool/dump.js";
import { type RebuildRequest, rebuildSuperblock } from "../pool/rebuildSuperblock.js";
import { type RehomeOptions, type RehomeReport, rehome } from "../pool/rehome.js";
import { type RepairEvents, type RepairSummary, repairPool as repairMemory } from "../pool/repair.js";
import { isWritable, STATE_DIRECT, type Superblock } from "../pool/superblock.js";
import { readCopies } from "../pool/superblockCopies.js";
import { type UndoSummary, undoRepair } from "../pool/undo.js";
import { mapGuarded } from "./guardedMemory.js";
import { layoutOf, readFirstPage, readPool, withPoolLength } from "./readSuperblock.js";
import { openUndoFile, UndoWriter } from "./undoLog.js";

/** A pool opened for a check or repair; its page 0 may hold anything. */
interface OpenedForCheck {
  readonly backing: Backing;
  readonly page: Uint8Array;
  /** Length of `data` as it is. */
  readonly dataBytes: number;
  map(metadataPages: number): CheckedMemory;
}

/** Opens the pool at `path` for `act`. @throws UserError when it cannot be read at all */
function withPool<T>(path: string, readOnly: boolean, act: (pool: OpenedForCheck) => T): T {
  const opened = openBacking(path, { readOnly });
  try {
    const page = readFirstPage(opened);
    let backing = withPoolLength(opened, page);
    if (page.length < PAGE_BYTES) throw new UserError(path, "is too short for a pool", { code: "EINVAL" });
    // The size in a refused superblock is ignored: repair uses the size of the files.
    const { newest } = readCopies(page, backing.pageCount, layoutOf(backing));
    if (newest?.state !== STATE_DIRECT) backing = opened;
    const map = (metadataPages: number): CheckedMemory => mapGuarded(backing, metadataPages);
    return act({ backing, page, dataBytes: opened.dataBytes, map });
  } finally {
    closeBacking(opened);
  }
}

/** Checks the pool at `path`; changes nothing. @throws UserError when it cannot be read at all */
export async function checkPoolAt(path: string, events: CheckEvents): Promise<CheckSummary> {
  return withPool(path, true, (pool) => checkMemory(inputOf(pool), events));
}

/** Dumps the content of the pool at `path`. @throws UserError when it cannot be read at all */
export async function dumpPoolAt(path: string, events: DumpEvents): Promise<void> {
  withPool(path, true, (pool) => dumpPool(inputOf(pool), events));
}

function inputOf({ backing, page, dataBytes, map }: OpenedForCheck): CheckInput {
  const input = { page, pageCount: backing.pageCount, media: layoutOf(backing), map };
  return backing.layout === "split" ? { ...input, dataBytes } : input;
}

export interface RepairOptions {
  /** Absent: beside the pool, with the time in its name. */
  readonly undoFile?: string | undefined;
  /** Allows a superblock without a valid copy to be rebuilt. */
  readonly rebuild?: RebuildRequest | undefined;
}

export type RepairResult = RepairSummary & {
  /** Null when nothing was changed. */
  readonly undoFile: string | null;
  /** The length of a truncated `data`; the disk is a hole from there on. Null if it was not truncated. */
  readonly cutAtBytes: number | null;
};

/** Repairs the pool at `path`. @throws UserError */
export async function repairPoolAt(path: string, options: RepairOptions, events: RepairEvents): Promise<RepairResult> {
  return withPool(path, false, (pool) => {
    const superblock = usableSuperblock(path, pool, options.rebuild);
    const { pageCount, firstDataPage } = superblock.geometry;
    const header = { pageCount, metadataPages: firstDataPage, uuid: superblock.uuid };
    const undo = new UndoWriter(options.undoFile ?? undoPath(path, pool.backing), header);
    const mapped = pool.map(firstDataPage);
    try {
      const summary = repairMemory(mapped.memory, superblock, undo, events);
      const cutAtBytes = lengthenData(pool, superblock) ? pool.dataBytes : null;
      return { ...summary, undoFile: undo.isOpen ? undo.path : null, cutAtBytes };
    } finally {
      undo.close();
      mapped.close();
    }
  });
}

/** What a mount in direct mode refuses: `data` shorter than the disk. @returns true when it was */
function lengthenData({ backing, dataBytes }: OpenedForCheck, { state, blocks }: Superblock): boolean {
  const diskBytes = blocks * PAGE_BYTES;
  if (backing.layout !== "split" || state !== STATE_DIRECT || dataBytes >= diskBytes) return false;
  ftruncateSync(backing.dataFd, diskBytes);
  fsyncSync(backing.dataFd);
  return true;
}

/** @throws UserError when no copy can be used and none may be made */
function usableSuperblock(path: string, pool: OpenedForCheck, rebuild: RebuildRequest | undefined): Superblock {
  const { backing, page } = pool;
  const { newest, isForeign } = readCopies(page, backing.pageCount, layoutOf(backing));
  if (isForeign) {
    throw new UserError(path, "was written by a newer version of kmemfs, which is needed to repair it", {
      code: "EINVAL",
    });
  }
  if (newest !== null) return newest;
  if (rebuild === undefined) {
    throw new UserError(path, "no copy of its superblock is valid", {
      code: "EINVAL",
      cure: `kmemfs check --repair --rebuild-superblock ${path}`,
    });
  }
  return rebuildSuperblock(inputOf(pool), rebuild);
}

/** Undoes the repair that wrote `undoFile`. @throws UserError */
export async function undoRepairAt(path: string, undoFile: string): Promise<UndoSummary> {
  const { header, source, close } = openUndoFile(undoFile);
  try {
    return withPool(path, false, ({ backing, map }) => {
      const isSplit = backing.layout === "split";
      const metaPages = backing.metaBytes / PAGE_BYTES;
      const fits = isSplit ? header.metadataPages === metaPages : header.metadataPages < metaPages;
      if (backing.pageCount !== header.pageCount || !fits || header.metadataPages < 2) {
        throw new UserError(undoFile, `belongs to a pool of ${header.pageCount} pages, not to ${path}`, {
          code: "EINVAL",
        });
      }
      const mapped = map(header.metadataPages);
      try {
        return undoRepair(mapped.memory, header, source);
      } finally {
        mapped.close();
      }
    });
  } finally {
    close();
  }
}

/** @throws UserError for a device: what lies in /dev is gone after a reboot */
function undoPath(path: string, { kind }: Backing): string {
  if (kind !== "devdax") return `${path}.undo-${timestamp()}`;
  const cure = "--undo-file FILE, on a disk";
  throw new UserError(path, "is a device, so the undo file cannot be kept beside it", {
    code: "EINVAL",
    exitCode: 2,
    cure,
  });
}

/** UTC, fit for a file's name. */
function timestamp(): string {
  return new Date().toISOString().replace(/[-:]/g, "").replace(".", "");
}

/**
 * Brings every block of the pool at `path` to its home page.
 * @throws UserError, MediaError
 */
export async function rehomePoolAt(path: string, options: RehomeOptions = {}): Promise<RehomeReport> {
  const opened = openBacking(path, { readOnly: false });
  try {
    const { backing, superblock } = readPool(opened);
    if (!isWritable(superblock)) {
      throw new UserError(path, "has features that this version supports only for reading", { code: "EROFS" });
    }
    const { memory, close } = mapGuarded(backing, superblock.geometry.firstDataPage);
    try {
      return rehome(memory, superblock, options);
    } finally {
      close();
    }
  } finally {
    closeBacking(opened);
  }
}
