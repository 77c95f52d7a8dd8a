/** Which failures of a holder that goes on leave the session to the next one. */
import { expect, it } from "vitest";
import { MediaError, UserError } from "../../../src/base/errors.js";
import { mayPass } from "../../../src/daemon/holder/nextHolder.js";
import { startError } from "../../../src/linux/syscall/startError.js";

it("leaves a shortage, a server that does not exit and a bug to the next holder, and no refusal", () => {
  for (const errno of [11, 12, 23, 24, 110]) expect(mayPass(startError("a", "b", -errno)), String(errno)).toBe(true);
  expect(mayPass(new SyntaxError("a bug"))).toBe(true);
  for (const code of ["EPROTO", "EBUSY", "EOPNOTSUPP"]) expect(mayPass(new UserError("a", "b", { code }))).toBe(false);
  expect(mayPass(new UserError("a", "b"))).toBe(false);
  expect(mayPass(new MediaError("field", "1", "2", 0))).toBe(false);
});
