/** The first boot: pools are made, lived in, and kept for the next one. */
import { equal, match, ok } from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { Place } from "../../../support/place.js";
import { run, until } from "../../../support/processes.js";
import { mountPool } from "../../load/mounted.js";
import { GuestDisk, makePool, mountDisk, requireState } from "./guestDisk.js";
import { killedServer } from "./killedServer.js";
import { LEDGER_DISK_BYTES } from "./ledgerDisk.js";
import {
  availableBytes,
  DEVICE,
  DISK_BYTES,
  dropCaches,
  MEDIA,
  type Medium,
  requirePool,
  SLOW,
  sumOf,
  writeFile,
} from "./medium.js";
import { holdsText, storeAtDevice } from "./rawDevice.js";
import { expectRefusal } from "./refusal.js";
import { step } from "./say.js";

/** Sums of the files that are kept, for the next boots. */
export const KEPT = "/mnt/pm/kept";
const KEPT_MIB = 8;
const GONE_MIB = 24;
/** What ext4 notes of a deletion. */
const SLACK_BYTES = 2 ** 20;
/** Only the deleted file has this text. */
const GONE_TEXT = "G".repeat(60);

/** @param isBrief each law is shown once */
export async function first(isBrief = false): Promise<void> {
  const place = new Place("/tmp");
  await step("a device with something else on it is refused", () => foreignDevice(place));
  const killed = (medium: Medium) =>
    step(`${medium.kind}: a server is killed under load`, () => killedServer(place, medium));
  if (isBrief) await killed(DEVICE);
  else await allKilled(place, killed);
  // What these make is kept for the next boot.
  await Promise.all(MEDIA.map((medium) => live(place, medium, isBrief)));
  await step("--numa-node binds a tmpfs", () => bound(place, "tmpfs"));
  if (!isBrief) await furtherNodes(place);
  equal((await place.end()).join("; "), "");
}

async function allKilled(place: Place, killed: (medium: Medium) => Promise<void>): Promise<void> {
  await Promise.all([
    ...MEDIA.map(killed),
    step("--durable refuses a tmpfs", () =>
      expectRefusal(
        place,
        ["mount", "--durable", "--size", "16M", place.makeDirectory("refused")],
        /does not survive|power cut/,
      ),
    ),
    step("a file system without DAX is a plain durable file", () => plainFile(place)),
  ]);
}

async function foreignDevice(place: Place): Promise<void> {
  storeAtDevice(DEVICE.pool, "XFSB");
  await expectRefusal(place, ["format", DEVICE.pool], /holds xfs/, /--force/);
  const part = ["format", DEVICE.pool, "--pool-size", "16M", "--force"];
  await expectRefusal(place, part, /a device is always used whole/, /omit --pool-size/);
}

/** From format to the second mount. */
async function live(place: Place, medium: Medium, isBrief: boolean): Promise<void> {
  const { kind, pool, directory, files } = medium;
  const named = (what: string, act: () => Promise<unknown>): Promise<void> => step(`${kind}: ${what}`, act);
  for (const path of [directory, files]) mkdirSync(path, { recursive: true });
  const disk = new GuestDisk(place, directory);
  const kept = `${files}/kept`;
  let device = "";
  let sum = "";
  await named("format, check and mount, durable", async () => {
    if (kind === "devdax" && !isBrief) await byCommands(place, medium);
    else {
      if (kind === "fsdax") rmSync(pool, { force: true });
      makePool(pool, DISK_BYTES);
      await mountPool(pool, directory, "auto", { durable: true, workers: 1 });
    }
    if (kind === "devdax") await refusedInUse(place, pool);
    await requirePool(disk, { kind, numaNode: 1 });
  });
  await named("a file system on it is written and read", async () => {
    device = await place.loop(disk.file);
    await place.makeFileSystem("ext4", device);
    await run("mount", [device, files], SLOW);
    await writeFile(kept, "K", KEPT_MIB);
    await writeFile(`${files}/gone`, "G", GONE_MIB);
    sum = await sumOf(kept);
    await dropCaches();
    equal(await sumOf(kept), sum);
  });
  await named("fstrim gives the memory back", async () => {
    const before = await disk.quiet();
    const availableBefore = kind === "fsdax" ? await availableBytes("/mnt/pm") : 0;
    if (kind === "devdax") ok(holdsText(pool, GONE_TEXT), "the file's text is not on the device");
    await run("sh", ["-c", `rm ${files}/gone && sync -f ${files} && fstrim ${files}`], SLOW);
    const after = await disk.quiet();
    const bytes = GONE_MIB * 2 ** 20 - SLACK_BYTES;
    ok(before.usedBytes - after.usedBytes > bytes, `${before.usedBytes} bytes in use before, ${after.usedBytes} after`);
    equal(after.usedBytes + after.freeBytes, before.usedBytes + before.freeBytes);
    if (kind === "devdax") ok(!holdsText(pool, GONE_TEXT), "what was trimmed is still on the device");
    else ok((await availableBytes("/mnt/pm")) - availableBefore > bytes, "the file system has not got the blocks back");
  });
  await named("unmounted, it is clean, and mounted again it holds the same", async () => {
    await putAway(disk, medium, device);
    await requireState(pool, "clean");
    const again = await mountDisk(place, pool, `again-${kind}`);
    device = await place.loop(again.file);
    await run("mount", [device, files], SLOW);
    equal(await sumOf(kept), sum);
    await putAway(again, medium, device);
  });
  appendFileSync(KEPT, `${sum}  ${kept}\n`);
}

/** With the commands that a user has; the other medium does the same without their processes. */
async function byCommands(place: Place, { pool, directory }: Medium): Promise<void> {
  await place.kmemfs(["format", pool, "--force", "--durable", "--size", String(DISK_BYTES)], SLOW);
  match((await place.kmemfs(["check", pool], SLOW)).stdout, /: clean, .*no errors/);
  await place.kmemfs(["mount", pool, directory, "--durable", "--no-spare", "--workers", "1"], SLOW);
}

const refusedInUse = (place: Place, pool: string) =>
  expectRefusal(place, ["mount", pool, place.makeDirectory("second")], /in use by process \d+/);

async function putAway(disk: GuestDisk, { files }: Medium, device: string): Promise<void> {
  await run("umount", [files], SLOW);
  await run("losetup", ["-d", device], SLOW);
  const attached = `/sys/block/${device.replace("/dev/", "")}/loop/backing_file`;
  await until(() => !existsSync(attached), SLOW.timeoutMs, `${device} to be detached`);
  await disk.end();
}

/** ext4 on a loop device, which has no DAX. */
async function plainFile(place: Place): Promise<void> {
  const image = "/mnt/pm/image";
  await run("truncate", ["-s", "64M", image]);
  const device = await place.loop(image);
  await place.makeFileSystem("ext4", device);
  const path = `${await place.mountFileSystem("ext4", device)}/pool`;
  makePool(path, LEDGER_DISK_BYTES);
  const disk = await mountDisk(place, path, "plain");
  const { pool } = await disk.status();
  equal(`${pool.kind}, ${pool.durable}`, "file, true");
  await disk.end();
}

/** Pages of a bound pool are on its node, whichever the writer runs on. */
async function bound(place: Place, kind: "tmpfs" | "memfd"): Promise<void> {
  const disk = await mountDisk(place, kind, `numa-${kind}`, { pool: { kind }, sizeBytes: 2 ** 24, numaNode: 1 });
  const { serverPid, pool } = await disk.status();
  equal(pool.numaNode, 1);
  await run("dd", ["if=/dev/zero", `of=${disk.file}`, "bs=1M", "count=8", "conv=notrunc", "status=none"], SLOW);
  const { stdout } = await run("cat", [`/proc/${serverPid}/numa_maps`], SLOW);
  const lines = stdout.split("\n").filter((line) => /file=\/(meta|data|memfd:kmemfs\\040)/.test(line));
  match(lines.join("\n"), /bind:1/);
  ok(!lines.some((line) => / N0=/.test(line)), `pages on node 0: ${lines.join("; ")}`);
  await disk.end();
}

async function furtherNodes(place: Place): Promise<void> {
  await step("--numa-node binds a memfd, and refuses a node that is not there", async () => {
    await bound(place, "memfd");
    const args = ["mount", place.makeDirectory("refused-numa"), "--size", "16M", "--numa-node", "7"];
    await expectRefusal(place, args, /node 7/);
  });
}
