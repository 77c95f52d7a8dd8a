import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { AssertionError, assert } from "../../../src/base/assert.js";
import * as errnos from "../../../src/base/errno.js";
import { MediaError, UserError } from "../../../src/base/errors.js";

describe("error numbers", () => {
  const named = Object.entries<unknown>(errnos).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );

  it.each(named)("%s is the system's and has its name", (name, number) => {
    expect((constants.errno as Record<string, number>)[name]).toBe(number);
    expect(errnos.errnoName(number)).toBe(name);
  });

  it("an unknown one is told by its number", () => {
    expect(errnos.errnoName(4000)).toBe("errno 4000");
  });
});

describe("errors for people", () => {
  it("a user's error is one line, with the code where there is one", () => {
    expect(new UserError("mount /x", "not empty").message).toBe("mount /x: not empty");
    expect(new UserError("mount /x", "not empty", { code: "EBUSY" }).message).toBe("mount /x: not empty (EBUSY)");
  });

  it("its exit code is 1 unless it says otherwise", () => {
    expect(new UserError("a", "b").exitCode).toBe(1);
    expect(new UserError("a", "b", { exitCode: 2 }).exitCode).toBe(2);
  });

  it("a media error names field, place, what was expected and what was found", () => {
    const error = new MediaError("version", "1", "9", 8);
    expect(error.message).toBe("version at byte 8: expected 1, found 9");
    expect([error.name, error.field, error.offsetBytes]).toEqual(["MediaError", "version", 8]);
  });

  it("an assertion throws only when it does not hold", () => {
    expect(() => assert(true, "fine")).not.toThrow();
    expect(() => assert(false, "not fine")).toThrow(AssertionError);
    expect(() => assert(false, "not fine")).toThrow("invariant broken: not fine");
  });
});
