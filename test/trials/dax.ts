/**
 * Real DAX in a guest: `npm run trial:dax`. A machine in software has device DAX and a DAX
 * file system on persistent memory, whose contents are files here. It is booted, lived in,
 * booted again, has its power cut under load, and is booted once more, on a kernel that asks
 * another server again. Beside it a second one runs a few of the kernel tests on a kernel that
 * does not: that of Debian 12.
 *
 * `--brief`: one kernel and two boots, in which each law is shown once; the power cut ends the first.
 */

import { isOlder, missingOf } from "../support/needs.js";
import type { Place } from "../support/place.js";
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { type Kernel, newerKernel, stableKernel } from "./dax/downloads.js";
import { Guest, type Machine } from "./dax/guest.js";
import { makeImage, makeInitrd, TOOLS } from "./dax/image.js";
import { print, runTrial } from "./load/runTrial.js";
import { pause } from "./load/within.js";

/** The first kernel that asks another server again. */
const RESENDS = "6.9";
const STAGE_MS = 420_000;
/** Of the load before the power is cut. */
const MOST_LOAD_MS = 3_000;

const { seed, more } = trialArguments(1);
const isBrief = more.brief !== undefined;
const commands = [
  "qemu-system-x86_64",
  "setpriv",
  "xz",
  "apt-get",
  "apt-cache",
  "dpkg-deb",
  "ldd",
  "ldconfig",
  ...TOOLS,
];
const needs = { root: true, commands, freeMemoryBytes: 5 * 2 ** 30 };
const begunMs = performance.now();
const seconds = (): string => `${((performance.now() - begunMs) / 1000).toFixed(0)} s`;

/** Turns the machine on for one stage. @throws Error when that fails, after all that the guest said */
async function boot(place: Place, machine: Machine, stage: string): Promise<void> {
  const guest = turnOn(place, machine, stage);
  try {
    const status = await guest.ended(STAGE_MS);
    if (status !== 0) throw new Error(`stage ${stage} in the guest ended with ${status}`);
  } catch (error) {
    print(`what the guest said in stage ${stage}:\n${guest.text}`);
    throw error;
  } finally {
    await guest.cut();
  }
  print(`${stage}: done, ${seconds()}`);
}

function turnOn(place: Place, machine: Machine, stage: string): Guest {
  const guest = new Guest(machine, stage, (line) => {
    if (line.startsWith("guest ")) print(`  ${stage}: ${line.slice("guest ".length)}`);
  });
  place.cleanup.add(`guest of ${stage}`, () => guest.cut());
  return guest;
}

/** Turns it on, and the power off when the stage says that it is under load. */
async function bootAndCut(place: Place, machine: Machine, stage: string): Promise<void> {
  const guest = turnOn(place, machine, stage);
  try {
    await guest.says(/s: under load$/, STAGE_MS);
  } catch (error) {
    print(`what the guest said in stage ${stage}:\n${guest.text}`);
    throw error;
  }
  await pause(new Random(seed).below(MOST_LOAD_MS));
  await guest.cut();
  print(`${stage}: power cut, ${seconds()}`);
}

async function everything(place: Place): Promise<string> {
  const { kernel: stable, busybox } = await stableKernel();
  const newest = isOlder(stable.release, RESENDS) ? await newerKernel().catch(without) : stable;
  const image = place.path("image");
  await makeImage(image, place.makeDirectory("work"), busybox);
  const machine = async (name: string, kernel: Kernel, nodeMib: number, memories: string[]): Promise<Machine> => {
    const initrd = place.path(`initrd-${name}`);
    await makeInitrd(initrd, place.makeDirectory(`work-${name}`), kernel.modules, busybox);
    return { kernel, initrd, image, nodeMib, memories, statusFile: place.path(`status-${name}`) };
  };
  const memories = [place.path("device"), place.path("file-system")];
  const withMemory = await machine("dax", newest ?? stable, 512, memories);
  print(`the guest's image is made, Linux ${withMemory.kernel.release}, ${seconds()}`);
  const { release } = withMemory.kernel;
  const takeover = isOlder(release, RESENDS) ? "no server took over" : "servers took over";
  if (isBrief) {
    await bootAndCut(place, withMemory, "brief");
    await boot(place, withMemory, "briefAfterCut");
    return `device DAX and a DAX file system, 2 boots, 1 power cut, ${takeover}, on Linux ${release}, ${seconds()}`;
  }
  const withTests = await machine("tests", stable, 1024, []);
  const tests = boot(place, withTests, "otherKernel");
  tests.catch(() => undefined);
  await boot(place, withMemory, "first");
  await bootAndCut(place, withMemory, "again");
  await boot(place, withMemory, "afterCut");
  await tests;
  const kernels = `on Linux ${release}, kernel tests on ${stable.release}`;
  return `device DAX and a DAX file system, 3 boots, 1 power cut, ${takeover}, ${kernels}, ${seconds()}`;
}

/** Servers are not replaced on the other kernel: their deaths end a mount there. */
function without(error: Error): null {
  print(`no kernel with FUSE_NOTIFY_RESEND: ${error.message.split("\n")[0]}`);
  return null;
}

const missing = process.arch === "x64" ? missingOf(needs) : ["needs an x86-64 processor"];
if (missing.length > 0 && process.env.KMEMFS_REQUIRE_KERNEL !== "1") {
  print(`trial dax: SKIPPED: ${missing.join(", ")}`);
} else {
  print(`trial dax: seed ${seed}`);
  await runTrial("dax", `npm run trial:dax -- --seed ${seed}${isBrief ? " --brief" : ""}`, needs, everything);
}
