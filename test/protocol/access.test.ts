import { describe } from "vitest";
import { type Row, testRows } from "./support/rows.js";
import { DONE, MINUS, refusal, requestFrom, u32 } from "./support/wire.js";

const ACCESS = 34;
const X = 1;
const W = 2;
const R = 4;

function access(mask: number, nodeid: number, uid: number, gid = uid): Uint8Array {
  return requestFrom(
    { opcode: ACCESS, nodeid, uid, gid },
    u32(mask), // mask
    "00 00 00 00", // padding
  );
}

/** The file is 0600 and the directory 0755, both of user and group 1000. */
const rows: readonly Row[] = [
  { name: "F_OK", request: access(0, 2, 4242), reply: DONE },
  { name: "the owner reads and writes", request: access(R | W, 2, 1000), reply: DONE },
  { name: "the owner executes", request: access(X, 2, 1000), reply: refusal(MINUS.EACCES) },
  { name: "the group reads", request: access(R, 2, 4242, 1000), reply: refusal(MINUS.EACCES) },
  { name: "another reads", request: access(R, 2, 4242), reply: refusal(MINUS.EACCES) },
  { name: "root reads and writes", request: access(R | W, 2, 0), reply: DONE },
  { name: "root executes what nobody may", request: access(X, 2, 0), reply: refusal(MINUS.EACCES) },
  { name: "another lists the directory", request: access(R | X, 1, 4242), reply: DONE },
  { name: "another writes to the directory", request: access(W, 1, 4242), reply: refusal(MINUS.EACCES) },
  { name: "root enters the directory", request: access(X, 1, 0), reply: DONE },
  { name: "user 2^32 - 1", request: access(R, 2, 0xffff_ffff), reply: refusal(MINUS.EACCES) },
  { name: "node 3", request: access(0, 3, 0), reply: refusal(MINUS.ENOENT) },
  { name: "the owner writes, read-only", readOnly: true, request: access(W, 2, 1000), reply: refusal(MINUS.EROFS) },
  { name: "the owner reads, read-only", readOnly: true, request: access(R, 2, 1000), reply: DONE },
];

describe("ACCESS", () => testRows(rows));
