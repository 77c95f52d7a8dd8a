/** Inputs of the trial of hostile pools that once found something. */
import { describe, expect, it } from "vitest";
import { Random } from "../../support/random.js";
import { execute } from "../../trials/pools/execute.js";
import { MOST_INPUT_BYTES, randomInput } from "../../trials/pools/generate.js";

const inputs: readonly (readonly [string, string])[] = [
  ["the last generation there is", "Awc9P3wDQeft8/j5VUmD0ksFOAFxK+g/QBdmf9k="],
  ["pages without entries in a clean pool", "SIXs/Wo/EG1/k84rwFJPz1P/wVrgO6KEauBQfzE="],
  ["a superblock made anew in a split pool that is thin", "3WOF6QMqf4gBtA4gjPEgfcy5YGHfCF9pAkLQAQ=="],
  ["an older copy beside a refused direct one", "JXRrlME6xg1LoxffUN9S3yIIZJ7osV8jVnjfxxQ="],
  ["a refused direct one, and others", "fXV1AMiNdKngIzj4IHHfxZSwv8fTTvuOIKuH32Y+iGxxiuCcAcb7HXbRAmjHvcQ="],
];

describe("a hostile pool", () => {
  it.each(inputs)("%s", (_what, base64) => {
    expect(() => execute(Buffer.from(base64, "base64"))).not.toThrow();
  });

  it("of any bytes harms nothing", () => {
    const random = new Random(1);
    const buffer = new Uint8Array(MOST_INPUT_BYTES);
    for (let i = 0; i < 2_000; i++) execute(buffer.subarray(0, randomInput(random, buffer)));
  });
});
