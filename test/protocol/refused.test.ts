import { describe } from "vitest";
import { testRows } from "./support/rows.js";
import { fill, MINUS, refusal, request } from "./support/wire.js";

const x = "78 00"; // "x"

describe("nothing is made, removed or renamed", () => {
  testRows([
    { name: "SYMLINK", request: request(6, 1, x, "79 00"), reply: refusal(MINUS.EPERM) },
    { name: "MKNOD", request: request(8, 1, "a4 81 00 00", fill(12), x), reply: refusal(MINUS.EPERM) },
    { name: "MKDIR", request: request(9, 1, "ed 41 00 00", fill(4), x), reply: refusal(MINUS.EPERM) },
    { name: "UNLINK", request: request(10, 1, "64 69 73 6b 00"), reply: refusal(MINUS.EPERM) },
    { name: "RMDIR", request: request(11, 1, x), reply: refusal(MINUS.EPERM) },
    { name: "RENAME", request: request(12, 1, "01 00 00 00 00 00 00 00", x, x), reply: refusal(MINUS.EPERM) },
    { name: "LINK", request: request(13, 1, "02 00 00 00 00 00 00 00", x), reply: refusal(MINUS.EPERM) },
    { name: "CREATE", request: request(35, 1, "42 82 00 00", "a4 81 00 00", fill(8), x), reply: refusal(MINUS.EPERM) },
    { name: "RENAME2", request: request(45, 1, "01 00 00 00 00 00 00 00", fill(8), x, x), reply: refusal(MINUS.EPERM) },
    { name: "TMPFILE", request: request(51, 1, "42 82 00 00", "a4 81 00 00", fill(8), x), reply: refusal(MINUS.EPERM) },
  ]);
});

describe("there are no extended attributes", () => {
  testRows([
    { name: "SETXATTR", request: request(21, 2, "01 00 00 00", fill(4), x, "01"), reply: refusal(MINUS.ENOSYS) },
    { name: "GETXATTR", request: request(22, 2, "ff 00 00 00", fill(4), x), reply: refusal(MINUS.ENOSYS) },
    { name: "LISTXATTR", request: request(23, 2, "ff 00 00 00", fill(4)), reply: refusal(MINUS.ENOSYS) },
    { name: "REMOVEXATTR", request: request(24, 2, x), reply: refusal(MINUS.ENOSYS) },
  ]);
});
