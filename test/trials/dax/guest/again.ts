/** The second boot: what was kept is back by lines of fstab; and then a load that ends with the power. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { findMount } from "../../../../src/mounts/client.js";
import { Place } from "../../../support/place.js";
import { run, until } from "../../../support/processes.js";
import { kmemfsProgram } from "../../../support/project.js";
import { MAX_RECORDS } from "../../load/ledger.js";
import { Load } from "../../load/load.js";
import { KEPT } from "./first.js";
import { makePool, mountDisk } from "./guestDisk.js";
import { flushesOf, LEDGER_DISK_BYTES, SHARES } from "./ledgerDisk.js";
import { MEDIA, SLOW } from "./medium.js";
import { say, step } from "./say.js";

/** Where the load keeps its place, for the boot after the cut. */
export const LOAD_PLACE = "/mnt/pm/load-place";
const WRITERS = 1;
const LEAST_FLUSHES = 3;
/** The drivers of the device are loaded by then; nothing asks for it where systemd is not there. */
const UDEV = "x-systemd.requires=systemd-udev-settle.service";
/** As `Ledger` has it, or more. */
const LEDGER_BYTES = 4 * 1024 + 24 * MAX_RECORDS * (WRITERS + 1);

export async function again(): Promise<void> {
  const place = new Place("/tmp");
  await step("mount -a brings the disks and their file systems back", () => mountAll());
  await place.end();
  await underLoad();
}

async function mountAll(): Promise<void> {
  symlinkSync(kmemfsProgram, "/sbin/mount.fuse.kmemfs");
  for (const { pool, directory, files } of MEDIA) {
    for (const path of [directory, files]) mkdirSync(path, { recursive: true });
    const lines = [
      `${pool} ${directory} fuse.kmemfs durable,nofail,${UDEV} 0 0`,
      `${directory}/disk ${files} ext4 loop,nofail 0 0`,
    ];
    appendFileSync("/etc/fstab", `${lines.join("\n")}\n`);
  }
  // One after the other takes twice as long.
  await run("mount", ["-a", "-F", "-t", "fuse.kmemfs"], SLOW);
  await run("mount", ["-a"], SLOW);
  await run("sha256sum", ["-c", KEPT], SLOW);
  for (const { directory, files } of MEDIA) {
    const holder = (await findMount(directory))?.holderPid;
    await run("umount", [files], SLOW);
    await run("umount", [directory], SLOW);
    await until(() => !existsSync(`/proc/${holder}`), SLOW.timeoutMs, "the holder to end");
  }
}

/** Writes until the machine is gone. */
export async function underLoad(): Promise<void> {
  const place = new Place("/mnt/pm");
  writeFileSync(LOAD_PLACE, place.directory);
  await Promise.all(
    MEDIA.map(async ({ kind, pool }) => {
      makePool(pool, LEDGER_DISK_BYTES);
      makeWhole(place.path(kind));
      const load = new Load(place, kind, WRITERS, Date.now() % 2 ** 31, SHARES);
      const disk = await mountDisk(place, pool, `disk-${kind}`);
      load.begin(disk.file);
      await until(() => flushesOf(load.ledger) >= LEAST_FLUSHES, SLOW.timeoutMs, "the writer to flush");
    }),
  );
  await run("sync", [], SLOW);
  say("under load");
  await new Promise(() => setInterval(() => undefined, 1000));
}

/** Blocks that the file system has already: what is stored in a ledger stays, whatever becomes of the file system. */
function makeWhole(path: string): void {
  writeFileSync(path, new Uint8Array(LEDGER_BYTES), { mode: 0o600 });
  const fd = openSync(path, "r+");
  fsyncSync(fd);
  closeSync(fd);
}
