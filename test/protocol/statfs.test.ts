import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { fill, request, UNIQUE, wire } from "./support/wire.js";

const STATFS = 17;

/** @param free the eight bytes of the free pages */
function statfsWith(free: string): Uint8Array {
  return wire(
    "60 00 00 00", // len: 96
    "00 00 00 00", // error: none
    UNIQUE, // unique
    "10 00 00 00 00 00 00 00", // blocks: 16
    free, // bfree
    free, // bavail
    "02 00 00 00 00 00 00 00", // files: 2
    "00 00 00 00 00 00 00 00", // ffree: 0
    "00 10 00 00", // bsize: 4096
    "ff 00 00 00", // namelen: 255
    "00 10 00 00", // frsize: 4096
    "00 00 00 00", // padding
    fill(24), // spare
  );
}

describe("STATFS", () => {
  testRows([
    { name: "an empty pool", request: request(STATFS, 1), reply: statfsWith("10 00 00 00 00 00 00 00") },
    {
      name: "with three pages used",
      given: (server) => server.put(4095, new Uint8Array(4098)),
      request: request(STATFS, 2),
      reply: statfsWith("0d 00 00 00 00 00 00 00"),
    },
  ]);
});
