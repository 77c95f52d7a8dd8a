import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { fill, request, u32 } from "./support/wire.js";

const FORGET = 2;
const INTERRUPT = 36;
const BATCH_FORGET = 42;

const twoForgets = [
  "02 00 00 00", // count: 2
  "00 00 00 00", // dummy
  "02 00 00 00 00 00 00 00", // nodeid: disk
  "01 00 00 00 00 00 00 00", // nlookup: 1
  "63 00 00 00 00 00 00 00", // nodeid: 99
  "ff ff ff ff ff ff ff ff", // nlookup
];

describe("notices have no answer, whatever is in them", () => {
  testRows([
    { name: "FORGET", request: request(FORGET, 2, "01 00 00 00 00 00 00 00"), reply: null },
    { name: "FORGET of an unknown node", request: request(FORGET, 99, fill(8, 0xff)), reply: null },
    { name: "FORGET without a body", request: request(FORGET, 2), reply: null },
    { name: "BATCH_FORGET", request: request(BATCH_FORGET, 0, ...twoForgets), reply: null },
    { name: "BATCH_FORGET that counts 2^32 - 1", request: request(BATCH_FORGET, 0, u32(-1), u32(0)), reply: null },
    { name: "BATCH_FORGET without a body", request: request(BATCH_FORGET, 0), reply: null },
    { name: "INTERRUPT", request: request(INTERRUPT, 0, "88 77 66 55 44 33 22 f1"), reply: null },
    { name: "INTERRUPT without a body", request: request(INTERRUPT, 0), reply: null },
  ]);
});
