/**
 * Real DAX in a guest: `npm run test:dax`. A machine in software has device DAX and a DAX
 * file system on persistent memory, whose contents are files here. It is booted, lived in,
 * booted again, has its power cut under load, and is booted once more; beside it a second
 * one runs a few of the kernel tests. All of it is on the kernel of Debian's stable clouds.
 */

import { missingOf } from "../support/needs.js";
import type { Place } from "../support/place.js";
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { downloads } from "./dax/downloads.js";
import { Guest, type Machine } from "./dax/guest.js";
import { makeImage, makeInitrd, TOOLS } from "./dax/image.js";
import { print, runTrial } from "./load/runTrial.js";
import { pause } from "./load/within.js";

const STAGE_MS = 420_000;
/** Of the load before the power is cut. */
const MOST_LOAD_MS = 3_000;

const { seed } = trialArguments(1);
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
    await guest.says(/under load/, STAGE_MS);
  } catch (error) {
    print(`what the guest said in stage ${stage}:\n${guest.text}`);
    throw error;
  }
  await pause(new Random(seed).below(MOST_LOAD_MS));
  await guest.cut();
  print(`${stage}: power cut, ${seconds()}`);
}

async function everything(place: Place): Promise<string> {
  const loaded = await downloads();
  const initrd = place.path("initrd");
  const image = place.path("image");
  await makeInitrd(initrd, place.makeDirectory("work"), loaded);
  await makeImage(image, place.makeDirectory("work"), loaded);
  print(`the guest's image is made, Linux ${loaded.release}, ${seconds()}`);
  const machine = (name: string, nodeMib: number, memories: readonly string[]): Machine => ({
    ...{ kernel: loaded.kernel, initrd, image, nodeMib, memories },
    statusFile: place.path(`status-${name}`),
  });
  const withMemory = machine("dax", 512, [place.path("device"), place.path("file-system")]);
  const tests = boot(place, machine("tests", 1024, []), "otherKernel");
  tests.catch(() => undefined);
  await boot(place, withMemory, "first");
  await bootAndCut(place, withMemory, "again");
  await boot(place, withMemory, "afterCut");
  await tests;
  return `device DAX and a DAX file system, 3 boots, 1 power cut, kernel tests on Linux ${loaded.release}, ${seconds()}`;
}

const missing = process.arch === "x64" ? missingOf(needs) : ["needs an x86-64 processor"];
if (missing.length > 0 && process.env.KMEMFS_REQUIRE_KERNEL !== "1") {
  print(`trial dax: SKIPPED: ${missing.join(", ")}`);
} else {
  print(`trial dax: seed ${seed}`);
  await runTrial("dax", `npm run test:dax -- --seed ${seed}`, needs, everything);
}
