/** Threads that cannot be started. */
import { expect, it } from "vitest";
import { startThreads } from "../../../src/daemon/server/servingThreads.js";

it("a thread that is refused at once is a reason, no exception", async () => {
  // What cannot be cloned is refused by the constructor, as a thread is where there may be no more of them.
  const common = { mapping: () => {} };
  const threads = startThreads(common as unknown as Parameters<typeof startThreads>[0], [-1, -1]);
  expect(threads?.ready).toBeInstanceOf(Error);
  threads?.dismiss();
  await threads?.ended;
});
