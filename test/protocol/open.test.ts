import { describe, expect } from "vitest";
import { testRows } from "./support/rows.js";
import type { WireServer } from "./support/server.js";
import { MINUS, refusal, request, UNIQUE, wire } from "./support/wire.js";

const OPEN = 14;
const OPENDIR = 27;

const READ_ONLY = ["00 80 00 00", "00 00 00 00"]; // flags: O_RDONLY|O_LARGEFILE, open_flags
const READ_WRITE = ["02 80 00 00", "00 00 00 00"]; // O_RDWR|O_LARGEFILE
const WRITE_TRUNCATE = ["01 82 00 00", "00 00 00 00"]; // O_WRONLY|O_TRUNC|O_LARGEFILE
const READ_TRUNCATE = ["00 82 00 00", "00 00 00 00"]; // O_RDONLY|O_TRUNC|O_LARGEFILE

const opened = wire(
  "20 00 00 00", // len: 32
  "00 00 00 00", // error: none
  UNIQUE, // unique
  "00 00 00 00 00 00 00 00", // fh: none is needed
  "41 00 00 00", // open_flags: FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES
  "00 00 00 00", // backing_id
);

const openedDirectory = wire(
  "20 00 00 00", // len: 32
  "00 00 00 00", // error: none
  UNIQUE, // unique
  "00 00 00 00 00 00 00 00", // fh
  "00 00 00 00", // open_flags
  "00 00 00 00", // backing_id
);

const written = (server: WireServer): void => server.put(4000, new Uint8Array(9000).fill(7));

function isEmptied(server: WireServer): void {
  expect(server.map()).toBe("........");
  expect(server.pool.account.used).toBe(0);
  expect(server.content().every((byte) => byte === 0)).toBe(true);
}

describe("OPEN", () => {
  testRows([
    { name: "to read", given: written, request: request(OPEN, 2, ...READ_ONLY), reply: opened },
    { name: "to write", given: written, request: request(OPEN, 2, ...READ_WRITE), reply: opened },
    {
      name: "O_TRUNC empties the file and keeps its size",
      given: written,
      request: request(OPEN, 2, ...WRITE_TRUNCATE),
      reply: opened,
      changes: "data",
      after: isEmptied,
    },
    {
      name: "O_TRUNC to read empties it too",
      given: written,
      request: request(OPEN, 2, ...READ_TRUNCATE),
      reply: opened,
      changes: "data",
      after: isEmptied,
    },
    { name: "the directory", request: request(OPEN, 1, ...READ_ONLY), reply: refusal(MINUS.EISDIR) },
    { name: "node 3", request: request(OPEN, 3, ...READ_ONLY), reply: refusal(MINUS.ENOENT) },
  ]);
});

describe("OPEN of a read-only pool", () => {
  const readOnly = true;
  testRows([
    { name: "to read", readOnly, request: request(OPEN, 2, ...READ_ONLY), reply: opened },
    { name: "to write", readOnly, request: request(OPEN, 2, ...READ_WRITE), reply: refusal(MINUS.EROFS) },
    {
      name: "with O_TRUNC",
      readOnly,
      given: written,
      request: request(OPEN, 2, ...READ_TRUNCATE),
      reply: refusal(MINUS.EROFS),
    },
  ]);
});

describe("OPENDIR", () => {
  testRows([
    { name: "the directory", request: request(OPENDIR, 1, ...READ_ONLY), reply: openedDirectory },
    { name: "the file", request: request(OPENDIR, 2, ...READ_ONLY), reply: refusal(MINUS.ENOTDIR) },
    { name: "node 3", request: request(OPENDIR, 3, ...READ_ONLY), reply: refusal(MINUS.ENOENT) },
  ]);
});
