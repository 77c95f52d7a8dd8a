/** The boot after the power was cut under load, and what daxctl makes of a device. */
import { equal, throws } from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { openBacking } from "../../../../src/linux/backing/openBacking.js";
import { Place } from "../../../support/place.js";
import { run } from "../../../support/processes.js";
import { Ledger } from "../../load/ledger.js";
import { flushedTick } from "../../load/verify.js";
import { LOAD_PLACE } from "./again.js";
import { makePool, mountDisk, requireState } from "./guestDisk.js";
import { LEDGER_DISK_BYTES, requireLedger } from "./ledgerDisk.js";
import { DEVICE, MEDIA, type Medium, SLOW } from "./medium.js";
import { expectRefusal } from "./refusal.js";
import { step } from "./say.js";

const NEVER = Number.POSITIVE_INFINITY;

/** @param isBrief each law is shown once */
export async function afterCut(isBrief = false): Promise<void> {
  const place = new Place("/tmp");
  const ledgers = readFileSync(LOAD_PLACE, "utf8");
  const ofWhat = "after the cut check finds nothing, and what was flushed is there";
  await Promise.all(
    MEDIA.map((medium) => step(`${medium.kind}: ${ofWhat}`, () => look(place, medium, `${ledgers}/${medium.kind}`))),
  );
  await step("a device in system-ram mode is refused, and comes back", () => systemRam(place, isBrief));
  equal((await place.end()).join("; "), "");
}

async function look(place: Place, { kind, pool }: Medium, ledgerPath: string): Promise<void> {
  await requireState(pool, "dirty");
  const disk = await mountDisk(place, pool, kind);
  equal((await disk.status()).wasUnclean, true);
  const ledger = new Ledger(ledgerPath, 2);
  // On the device what is stored is written back at once: all that was acknowledged is there.
  const durableTick = kind === "devdax" ? NEVER : flushedTick(ledger, { fromTick: NEVER, toTick: NEVER });
  await requireLedger(place, disk.file, ledger, durableTick);
  await disk.end();
}

async function systemRam(place: Place, isBrief: boolean): Promise<void> {
  const { pool } = DEVICE;
  const name = pool.replace("/dev/", "");
  const refused = place.makeDirectory("refused");
  // A kernel that takes new memory by itself takes it for ever; daxctl asks for the kind that can be given back.
  writeFileSync("/sys/devices/system/memory/auto_online_blocks", "offline");
  await run("daxctl", ["reconfigure-device", "--mode=system-ram", name], SLOW);
  await expectRefusal(place, ["mount", pool, refused], /system memory|system-ram/, /daxctl reconfigure-device/);
  await run("daxctl", ["reconfigure-device", "--mode=devdax", "--force", name], SLOW);
  await run("daxctl", ["disable-device", name], SLOW);
  throws(() => openBacking(pool, { readOnly: true }), /is disabled/);
  await run("daxctl", ["enable-device", name], SLOW);
  makePool(pool, LEDGER_DISK_BYTES);
  if (isBrief) return;
  const disk = await mountDisk(place, pool, "back");
  equal((await disk.status()).pool.kind, "devdax");
  await disk.end();
}
