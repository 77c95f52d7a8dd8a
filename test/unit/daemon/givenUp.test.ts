/** A disk that was given up is let go once, or is back once, and one thing is done with it at a time. */
import { expect, it } from "vitest";
import { GivenUp } from "../../../src/daemon/holder/givenUp.js";
import { waiting } from "../../../src/daemon/holder/serverProcess.js";

it("is let go, or back, and says which", async () => {
  const gone = new GivenUp("the server died");
  expect(await gone.letGo(() => false)).toBe(true);
  expect(await gone.over).toBe("let go");
  const back = new GivenUp("the server died");
  await back.alone("recover /m", async () => {});
  back.isBack();
  expect(await back.over).toBe("back");
});

it("one thing at a time, and after one that fails another may be tried", async () => {
  const givenUp = new GivenUp("the server died");
  const first = waiting<void>();
  const begun = givenUp.alone("recover /m", () => first.promise);
  await expect(givenUp.alone("recover /m", async () => {})).rejects.toThrow("brought back (EBUSY)");
  first.reject(new Error("no"));
  await expect(begun).rejects.toThrow("no");
  await givenUp.alone("recover /m", async () => {});
});

it("who lets it go waits for who brings it back, and is told when that was first", async () => {
  for (const succeeds of [true, false]) {
    const givenUp = new GivenUp("the server died");
    let isBack = false;
    const work = waiting<void>();
    const begun = givenUp
      .alone("recover /m", async () => {
        await work.promise;
        isBack = true;
      })
      .then(() => givenUp.isBack())
      .catch(() => {});
    const asked = givenUp.letGo(() => isBack);
    if (succeeds) work.resolve();
    else work.reject(new Error("no"));
    expect(await asked).toBe(!succeeds);
    await begun;
    expect(await givenUp.over).toBe(succeeds ? "back" : "let go");
  }
});
