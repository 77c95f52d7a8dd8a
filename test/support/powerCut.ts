/** What a power cut leaves of a durable pool on fake memory. */
import { PAGE_BYTES } from "../../src/base/units.js";
import { type FakeMemory, POISON } from "./fakeMemory.js";
import type { Random } from "./random.js";

const SECTOR_BYTES = 512;

/** Each page as it is or as the media has it; metadata pages may be torn between sectors. */
export function cutPower(fake: FakeMemory, random: Random): FakeMemory {
  const mostlyMedia = random.next();
  const left = fake.copy(() => random.chance(mostlyMedia));
  const media = fake.state.media as Uint8Array;
  for (let page = 0; page < fake.metadataPages; page++) {
    const at = page * PAGE_BYTES;
    const onMedia = media.subarray(at, at + PAGE_BYTES);
    if (!fake.holds(page) || !left.holds(page) || onMedia.every((byte) => byte === POISON)) continue;
    for (let sector = 0; sector < PAGE_BYTES; sector += SECTOR_BYTES) {
      const from = random.chance(0.5) ? onMedia : fake.page(page);
      left.page(page).set(from.subarray(sector, sector + SECTOR_BYTES), sector);
    }
  }
  return left;
}
