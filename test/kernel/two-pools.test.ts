/** Two pools at once do not touch each other: each has its bytes, its account, its server. */
import { expect } from "vitest";
import { fioVerify } from "../support/fio.js";
import { withPlace } from "../support/place.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["fio"], freeMemoryBytes: 2 ** 29 });

it("both are written at once and verified; the end of one leaves the other", () =>
  withPlace(async (place) => {
    const first = await place.mount({ name: "first", size: "64M" });
    const second = await place.mount({ name: "second", pool: "memfd", size: "96M" });
    await Promise.all([
      fioVerify(first.file, { rw: "randwrite", ioengine: "psync", size: "16m", jobs: 4 }),
      fioVerify(second.file, { rw: "randwrite", ioengine: "libaio", size: "24m", jobs: 4 }),
    ]);
    const [one, two] = [await first.expectAccount(), await second.expectAccount()];
    expect([one.usedBytes, two.usedBytes]).toEqual([64 * 2 ** 20, 96 * 2 ** 20]);
    expect(one.serverPid).not.toBe(two.serverPid);
    expect(one.pool.uuid).not.toBe(two.pool.uuid);

    const sum = await second.sum();
    await first.unmount();
    expect(await second.sum()).toBe(sum);
    await second.expectAccount();
    await second.unmount();
    await place.expectNothingLeft();
  }));
