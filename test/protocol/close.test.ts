import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { DONE, request } from "./support/wire.js";

const RELEASE = 18;
const FLUSH = 25;
const RELEASEDIR = 29;
const DESTROY = 38;

const releaseBody = [
  "00 00 00 00 00 00 00 00", // fh
  "02 80 00 00", // flags
  "00 00 00 00", // release_flags
  "00 00 00 00 00 00 00 00", // lock_owner
];

const flushBody = [
  "00 00 00 00 00 00 00 00", // fh
  "00 00 00 00", // unused
  "00 00 00 00", // padding
  "99 88 77 66 55 44 33 22", // lock_owner
];

describe("what ends a use of the file is done, also in a read-only mount", () => {
  testRows([
    { name: "RELEASE", request: request(RELEASE, 2, ...releaseBody), reply: DONE },
    { name: "RELEASEDIR", request: request(RELEASEDIR, 1, ...releaseBody), reply: DONE },
    { name: "FLUSH", request: request(FLUSH, 2, ...flushBody), reply: DONE },
    { name: "FLUSH, read-only", readOnly: true, request: request(FLUSH, 2, ...flushBody), reply: DONE },
    { name: "DESTROY", request: request(DESTROY, 0), reply: DONE },
  ]);
});
