/** How the kills of a trial are shared among file systems, I/O modes and pools. */
import type { FileSystemType } from "../../support/place.js";
import { FILE_SYSTEMS } from "./fileSystems.js";
import type { PoolKind, SessionPlan } from "./session.js";

/** Then another disk has its turn. */
const MOST_KILLS = 100;
const DIRECT_SHARE = 1 / 3;
const POOLS: Readonly<Record<SessionPlan["io"], readonly PoolKind[]>> = {
  served: ["file", "private tmpfs", "disk"],
  direct: ["directory", "private tmpfs"],
};

export interface PlanWishes {
  /** A file system's name; empty: all. */
  readonly only: string;
  /** A I/O mode; empty: both. */
  readonly io: string;
  readonly spanMs: number;
}

/** The sessions of a trial of `count` kills: a third of them on each file system, a third of those direct. */
export function planSessions(count: number, { only, io, spanMs }: PlanWishes): SessionPlan[] {
  const wanted = FILE_SYSTEMS.filter((name) => only === "" || name === only);
  const plans: SessionPlan[] = [];
  const add = (fileSystem: FileSystemType, way: SessionPlan["io"], kills: number, turn: number): void => {
    if (io !== "" && way !== io) return;
    for (let left = kills, round = 0; left > 0; round++, left -= MOST_KILLS) {
      const pools = POOLS[way];
      const pool = pools[(turn + round) % pools.length] as PoolKind;
      const number = plans.length;
      const spare = (turn + round + (way === "direct" ? 1 : 0)) % 2 === 0;
      plans.push({ fileSystem, io: way, pool, spare, kills: Math.min(left, MOST_KILLS), spanMs, number });
    }
  };
  for (const [turn, fileSystem] of wanted.entries()) {
    const share = Math.floor(count / wanted.length) + (turn < count % wanted.length ? 1 : 0);
    const direct = io === "direct" ? share : io === "served" ? 0 : Math.round(share * DIRECT_SHARE);
    add(fileSystem, "served", share - direct, turn);
    add(fileSystem, "direct", direct, turn);
  }
  return plans;
}
