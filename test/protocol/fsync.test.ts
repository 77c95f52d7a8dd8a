import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { DONE, MINUS, refusal, request } from "./support/wire.js";

const FSYNC = 20;
const FSYNCDIR = 30;

const body = [
  "00 00 00 00 00 00 00 00", // fh
  "01 00 00 00", // fsync_flags: FUSE_FSYNC_FDATASYNC
  "00 00 00 00", // padding
];

describe("FSYNC", () => {
  testRows([
    { name: "the file", request: request(FSYNC, 2, ...body), reply: DONE },
    { name: "the file, read-only", readOnly: true, request: request(FSYNC, 2, ...body), reply: DONE },
    { name: "node 3", request: request(FSYNC, 3, ...body), reply: refusal(MINUS.ENOENT) },
    { name: "FSYNCDIR", request: request(FSYNCDIR, 1, ...body), reply: DONE },
    { name: "a volatile file", isVolatile: true, request: request(FSYNC, 2, ...body), reply: refusal(MINUS.ENOSYS) },
    { name: "node 3, volatile", isVolatile: true, request: request(FSYNC, 3, ...body), reply: refusal(MINUS.ENOENT) },
    {
      name: "a volatile file that has lost memory",
      isVolatile: true,
      given: (server) => server.pool.damage.noteLost(0),
      request: request(FSYNC, 2, ...body),
      reply: refusal(MINUS.EIO),
    },
    { name: "FSYNCDIR of node 3", request: request(FSYNCDIR, 3, ...body), reply: refusal(MINUS.ENOENT) },
  ]);
});
