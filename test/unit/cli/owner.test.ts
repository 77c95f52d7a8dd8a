import { expect, it } from "vitest";
import { idInTable } from "../../../src/cli/owner.js";

const TABLE = "root:x:0:0:root:/root:/bin/sh\n+nis\nbroken:x\nme:x:1000:100::/home/me:\nme:x:1001:100:::\ndisk:x:6:\n";

it.each([
  ["root", 0],
  ["me", 1000],
  ["disk", 6],
  ["broken", null],
  ["nobody", null],
  ["", null],
])("finds the number of %j", (name, id) => {
  expect(idInTable(TABLE, name)).toBe(id);
});
