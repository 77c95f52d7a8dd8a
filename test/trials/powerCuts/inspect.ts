/** What a cut has left: the image is mounted, the pool checked, opened and compared with the ledger. */
import { existsSync } from "node:fs";
import type { Place } from "../../support/place.js";
import type { Random } from "../../support/random.js";
import type { Ledger } from "../load/ledger.js";
import { type Mounted, mountPool, readDisk, unmounted } from "../load/mounted.js";
import { SECTOR_BYTES } from "../load/stamps.js";
import { compare, flushedTick, type Moment } from "../load/verify.js";
import { DISK_BYTES, type PoolKind } from "./kinds.js";
import type { Media } from "./media.js";

export type Phase = "format" | "mount" | "load" | "end" | "rehome";

export interface Cut extends Moment {
  readonly image: string;
  readonly phase: Phase;
}

export interface Session {
  readonly place: Place;
  readonly media: Media;
  readonly random: Random;
  readonly kind: PoolKind;
  readonly ledger: Ledger;
}

/** Opens what the cut left. @returns how it was found, for the figures. @throws Error with what is wrong */
export async function inspect(session: Session, cut: Cut): Promise<string> {
  const { media, kind, random } = session;
  const disk = await media.insert(cut.image, "after");
  try {
    const pool = `${disk.directory}/pool`;
    const state = await checkedState(session, pool, cut.phase === "format");
    if (state === "no pool") return state;
    const way = random.pick(kind.opens);
    // A pool that was served may have blocks away from home: those that were written again while in limbo.
    if (way === "direct" && kind.io === "served") await session.place.kmemfs(["rehome", pool], { cwd: "/" });
    const opened = session.place.makeDirectory("opened");
    const mounted = await mountPool(pool, opened, way, { atomicWrites: kind.atomicWrites });
    try {
      await compareDisk(session, cut, mounted);
    } finally {
      process.kill(mounted.holderPid, "SIGTERM");
      await unmounted(mounted);
    }
    if (random.chance(0.25)) await requireClean(session, pool);
    return state;
  } catch (error) {
    (error as Error).message = `${kind.name}, cut at ${cut.phase}: ${(error as Error).message}`;
    throw error;
  } finally {
    await media.remove(disk);
    media.forget(cut.image);
  }
}

/** @returns the state that `check` names, or `no pool` where a format had not ended. @throws Error for a finding */
async function checkedState({ place }: Session, pool: string, unformatted: boolean): Promise<string> {
  if (unformatted && !existsSync(pool)) return "no pool";
  const { status, stdout, stderr } = await place.refused(["check", pool]);
  const said = `${stdout}${stderr}`.trim();
  if (status === 0) return /: (\w+), [^\n]*$/.exec(said)?.[1] ?? "unknown";
  // A line, and no crash: whoever formatted has to do so again.
  if (unformatted && status === 8 && /^kmemfs: [^\n]*(\ntry: [^\n]*)?$/.test(said)) return "no pool";
  // The file's length was on the disk before the superblock was.
  if (unformatted && status === 4 && isAllZeroSuperblock(said)) return "no pool";
  // One of the two copies of the superblock may be torn.
  const isOneCopy = status === 4 && /superblock copy/.test(said) && /, 1 error$/.test(said);
  if (!isOneCopy) throw new Error(`check ends with ${status}: ${said}`);
  return "one superblock";
}

function isAllZeroSuperblock(said: string): boolean {
  const zeroCopies = said.match(/^superblock: magic at byte (0|2048): expected kmemfs, found 0{16}$/gm) ?? [];
  return zeroCopies.length === 2 && /: unknown, 0 B used, 2 errors$/m.test(said);
}

async function compareDisk({ place, ledger, kind }: Session, cut: Cut, { file }: Mounted): Promise<void> {
  const bytes = await readDisk(place, file, "content");
  const { wrong } = compare(bytes, new Int32Array(DISK_BYTES / SECTOR_BYTES), ledger, {
    durableTick: flushedTick(ledger, cut),
    endTick: cut.toTick,
    atomicBlocks: kind.atomicWrites,
    tornSectors: false,
  });
  if (wrong.length > 0) throw new Error(`${wrong[0]}\n${wrong.join("\n")}`);
}

async function requireClean({ place }: Session, pool: string): Promise<void> {
  const { stdout } = await place.kmemfs(["check", pool]);
  if (!/: clean, /.test(stdout)) throw new Error(`not clean after an unmount: ${stdout}`);
}
