/**
 * Disks in the guest without processes of the command line: each of those takes seconds there, and
 * the tests of this machine are about them.
 */

import { closeBacking } from "../../../../src/linux/backing/backing.js";
import { checkPoolAt } from "../../../../src/media/checkPool.js";
import { formatPath } from "../../../../src/media/formatPath.js";
import { stopMount } from "../../../../src/mounts/client.js";
import type { MountOptions } from "../../../../src/mounts/options.js";
import type { PoolState } from "../../../../src/pool/check.js";
import { Disk } from "../../../support/disk.js";
import type { Place } from "../../../support/place.js";
import { mountPool } from "../../load/mounted.js";

export class GuestDisk extends Disk {
  async end(): Promise<void> {
    await stopMount(await this.status(), { force: false });
  }
}

/** Makes a durable pool over whatever is there. */
export function makePool(path: string, sizeBytes: number): void {
  const { backing } = formatPath({ path, sizeBytes, split: false, full: false, force: true, durable: true });
  closeBacking(backing);
}

/** Mounts a pool on a directory of the place that is made for it. */
export async function mountDisk(
  place: Place,
  pool: string,
  name: string,
  more: Partial<MountOptions> = {},
): Promise<GuestDisk> {
  const directory = place.makeDirectory(name);
  place.endsWithUs(directory);
  await mountPool(pool, directory, "auto", { workers: 1, ...more });
  return new GuestDisk(place, directory);
}

/** @throws Error when the pool has a fault, or is in another state */
export async function requireState(pool: string, state: PoolState): Promise<void> {
  const found: string[] = [];
  const summary = await checkPoolAt(pool, { finding: ({ message }) => void found.push(message) });
  if (found.length > 0 || summary.state !== state) throw new Error(`${pool} is ${summary.state}: ${found.join("; ")}`);
}
