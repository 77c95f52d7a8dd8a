/** Sizes that are none, or that contradict each other: wrong usage, and nothing is made. */
import { readdirSync } from "node:fs";
import { expect } from "vitest";
import { withPlace } from "../support/place.js";
import { expectRefused } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true });

const NO_SIZES = ["5X", "-1", "0", "", "4095", "1.5", "16E", "0x10", "1 G"];

it("mount and format refuse what is no size", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("disk");
    const pool = place.path("pool");
    for (const size of NO_SIZES) {
      await expectRefused(place, { args: ["mount", mountpoint, "--size", size], cause: /size/, code: 2 });
    }
    for (const flag of ["--size", "--max-size", "--pool-size"]) {
      await expectRefused(place, { args: ["format", pool, flag, "5X"], cause: /not a size/, code: 2 });
      await expectRefused(place, { args: ["mount", mountpoint, flag, "5X"], cause: /not a size/, code: 2 });
    }
    const both = ["--size", "2M", "--max-size", "1M"];
    await expectRefused(place, { args: ["mount", mountpoint, ...both], cause: /larger than max-size/, code: 2 });
    await expectRefused(place, { args: ["format", pool, ...both], cause: /larger than/, code: 2, cure: false });
    expect(readdirSync(place.directory)).toEqual(["disk"]);
  }));

it("a pool that cannot hold its index, or that no machine holds", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("disk");
    const pool = place.path("pool");
    for (const sizes of [
      ["--size", "1G", "--pool-size", "8k"],
      ["--pool-size", "4k"],
    ]) {
      const cause = /has no room for data \(EINVAL\)$/;
      await expectRefused(place, { args: ["mount", mountpoint, ...sizes], cause, code: 2 });
      await expectRefused(place, { args: ["format", pool, ...sizes], cause, code: 2 });
    }
    // Page numbers have 32 bits.
    for (const size of ["17T", "4P"]) {
      const cause = /not possible \(EINVAL\)$/;
      await expectRefused(place, { args: ["mount", mountpoint, "--size", size], cause, code: 2 });
      await expectRefused(place, { args: ["format", pool, "--size", size], cause, code: 2 });
    }
    expect(readdirSync(place.directory)).toEqual(["disk"]);
  }));

it("a size that a pool does not have", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("disk");
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "1M"]);
    await expectRefused(place, { args: ["mount", pool, mountpoint, "--size", "2M"], cause: /1048576/ });
  }));
