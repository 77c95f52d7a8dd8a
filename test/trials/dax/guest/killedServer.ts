/**
 * kill -9 of a server under load. Where the kernel asks another server again nobody
 * notices; where it does not the mount ends, and the next one has all that was acknowledged.
 */
import { equal } from "node:assert/strict";
import { EIO, ENOTCONN } from "../../../../src/base/errno.js";
import { missingOf } from "../../../support/needs.js";
import { isMounted, type Place } from "../../../support/place.js";
import { run, until } from "../../../support/processes.js";
import { Load } from "../../load/load.js";
import { type GuestDisk, makePool, mountDisk } from "./guestDisk.js";
import { LEDGER_DISK_BYTES, requireLedger, SHARES } from "./ledgerDisk.js";
import { type Medium, SLOW } from "./medium.js";

/** Each takes half a minute: starting servers is what a guest is slowest at. */
const KILLS = 1;
const OPERATIONS_A_KILL = 60;
const WAIT_MS = 30_000;
/** What meets a request of a mount whose server died. */
const ECONNABORTED = 103;
const ENDED = [EIO, ECONNABORTED, ENOTCONN];
/** FUSE_NOTIFY_RESEND */
const survives = missingOf({ kernel: "6.9" }).length === 0;

export async function killedServer(place: Place, { kind, pool }: Medium): Promise<void> {
  makePool(pool, LEDGER_DISK_BYTES);
  const load = new Load(place, `ledger-${kind}`, 1, 1, SHARES);
  const mount = (): Promise<GuestDisk> => mountDisk(place, pool, `killed-${kind}`, { restarts: KILLS });
  let disk = await mount();
  load.begin(disk.file);
  const written = (from: number): Promise<unknown> =>
    until(() => load.ledger.count >= from + OPERATIONS_A_KILL, WAIT_MS, "the writer to write");
  for (let kill = 1; kill <= KILLS; kill++) {
    await written(load.ledger.count);
    process.kill(await serverOf(disk), "SIGKILL");
    if (survives) continue;
    await load.ended();
    await until(() => !isMounted(disk.directory), WAIT_MS, "the mount to end");
    disk = await mount();
    load.begin(disk.file);
  }
  await written(load.ledger.count);
  equal((await load.stop()).join(), "0");
  if (survives) equal((await disk.status()).restarts, KILLS);
  await requireLedger(place, disk.file, load.ledger, Number.POSITIVE_INFINITY, survives ? [] : ENDED);
  // What the dead servers left in free pages does not show where a block is reserved.
  await run("fallocate", ["-l", String(LEDGER_DISK_BYTES), disk.file], SLOW);
  await requireLedger(place, disk.file, load.ledger, Number.POSITIVE_INFINITY, survives ? [] : ENDED);
  load.quit();
  await disk.end();
}

/** One that took over serves before the status has it. */
async function serverOf(disk: GuestDisk): Promise<number> {
  let pid: number | null = null;
  await until(
    async () => {
      pid = (await disk.status()).serverPid;
      return pid !== null;
    },
    WAIT_MS,
    "a server",
  );
  return pid as unknown as number;
}
