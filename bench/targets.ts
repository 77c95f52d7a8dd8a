/** What kmemfs is to reach, row by row. A median decides. */

export interface Limit {
  readonly is: "at least" | "at most" | "below";
  readonly value: number;
}

/** A limit on the ratio of ours to the peer's, or on our own figure when there is no peer. */
export interface Target {
  /** The row's key, e.g. `file/randread-4k-j8`. */
  readonly row: string;
  readonly side: string;
  readonly peer?: string;
  readonly limit: Limit;
}

const SERVED = "kmemfs-served";
const RANDOM_8_JOBS = ["randread-4k-j8", "randwrite-4k-j8"];
const ALL_LOADS = [...RANDOM_8_JOBS, "randread-4k-qd1", "randwrite-4k-qd1", "read-1m-j4", "write-1m-j4"];
const LOOPS = ["loop", "loop-direct"];

function atLeast(value: number, peer: string, rows: readonly string[]): Target[] {
  return rows.map((row) => ({ row, side: SERVED, peer, limit: { is: "at least", value } }));
}

const onStage = (stage: string, rows: readonly string[]): string[] => rows.map((row) => `${stage}/${row}`);

export const targets: readonly Target[] = [
  ...atLeast(4, "nbdfuse", onStage("file", RANDOM_8_JOBS)),
  ...atLeast(3, "qemu", onStage("file", RANDOM_8_JOBS)),
  ...LOOPS.flatMap((peer) => atLeast(0.5, peer, onStage("loop", ALL_LOADS))),
  ...LOOPS.map((peer): Target => ({ row: "loop/discard", side: SERVED, peer, limit: { is: "at most", value: 2 } })),
  { row: "pool/format-mount-1t", side: SERVED, limit: { is: "below", value: 2 } },
  { row: "pool/empty-memory-1t", side: SERVED, limit: { is: "below", value: 4 * 2 ** 20 } },
  { row: "file/resident", side: SERVED, limit: { is: "below", value: 200e6 } },
  { row: "loop/resident", side: SERVED, limit: { is: "below", value: 200e6 } },
];

export function meets(limit: Limit, value: number): boolean {
  if (limit.is === "at least") return value >= limit.value;
  return limit.is === "at most" ? value <= limit.value : value < limit.value;
}

/** The target of a comparison, if it has one. */
export function targetOf(row: string, side: string, peer: string | undefined): Target | undefined {
  return targets.find((target) => target.row === row && target.side === side && target.peer === peer);
}
