/**
 * The bugs by which the trials are proven: one for each law of the engine (DESIGN,
 * section 4) that a trial can see broken. Law 6 is shown by the kernel tests that fill
 * a tmpfs, 11 and 12 by rules about the source.
 */
import type { PlantedBug } from "../../support/planted.js";

export interface NamedBug extends PlantedBug {
  readonly name: string;
  readonly law: string;
  /** Who must find it: a file of test/trials, with the arguments that let it find it soon. */
  readonly trial: string;
  readonly args: readonly string[];
}

export const plantedBugs: readonly NamedBug[] = [
  {
    law: "1, fill, then publish",
    name: "a hole is mapped before its page is on the media",
    in: "mapHoles",
    without: "pool.syncData",
    trial: "crash",
    args: ["--count=150000", "--workers=1"],
  },
  {
    law: "2, clear, then limbo, then free",
    name: "limbo does not wait for the requests that are open",
    in: "Epochs.hasPassed",
    body: "return true;",
    trial: "stress",
    args: ["--count=4000000"],
  },
  {
    law: "3, free means given back",
    name: "pages leave limbo without a punch",
    in: "Limbo.releaseRun",
    without: "this.memory.release",
    trial: "crash",
    args: ["--count=150000", "--workers=1"],
  },
  {
    law: "4, no other block's bytes",
    name: "a page is used again before its punch is on the media",
    in: "Limbo.drain",
    without: "this.media.sync",
    trial: "crash",
    args: ["--count=150000", "--workers=1"],
  },
  {
    law: "5, all or nothing per block",
    name: "atomic: an entry is swung before its page is on the media",
    in: "attempt",
    without: "pool.syncData",
    trial: "crash",
    args: ["--count=150000", "--workers=1"],
  },
  {
    law: "7, flush means durable",
    name: "flush does nothing",
    in: "Reclaiming.flush",
    body: "return 0;",
    trial: "powerCuts",
    args: ["--count=30"],
  },
  {
    law: "8, the media is not trusted",
    name: "entries of the index are believed",
    in: "damageOf",
    body: "return null;",
    trial: "pools",
    args: ["--count=100000"],
  },
  {
    law: "9, validate once at the door",
    name: "no offset is too large",
    in: "Exchange.isHuge",
    body: "return false;",
    trial: "requests",
    args: ["--count=100000"],
  },
  {
    law: "10, answered exactly once",
    name: "a server that takes over does not ask again",
    in: "resend",
    body: "",
    trial: "failover",
    args: ["--count=300", "--io=served", "--only=ext4"],
  },
  {
    law: "13, the account equals memory",
    name: "pages that no entry names stay",
    in: "releaseStrays",
    body: "",
    trial: "crash",
    args: ["--count=150000", "--workers=1"],
  },
  {
    law: "14, a format is whole or none",
    name: "format says clean before the rest is on the media",
    in: "formatPool",
    without: "memory.sync",
    trial: "crash",
    args: ["--count=150000", "--workers=1"],
  },
  {
    law: "what was acknowledged outlives the server",
    name: "a write to mapped blocks is answered and not done",
    in: "ServedFile.overwrite",
    body: "return arguments[1] - arguments[0];",
    trial: "kills",
    args: ["--count=20"],
  },
  {
    law: "a disk that is stopped in order is clean",
    name: "a pool that is closed is not marked",
    in: "closePool",
    without: "writeState",
    trial: "stops",
    args: ["--count=1", "--io=served", "--way=unmount"],
  },
];
