/**
 * What a test needs of the machine. Where something is missing the test skips
 * with the reason; with KMEMFS_REQUIRE_KERNEL=1 it fails with the reason.
 */
import { describe as describeTests, it as testCase } from "vitest";
import { isLongForm, LONG_FORM_NOTE } from "./longForm.js";
import { missingOf, type Needs } from "./needs.js";

/** True when a missing need is a failure. */
export const kernelIsRequired = process.env.KMEMFS_REQUIRE_KERNEL === "1";

export interface Guarded {
  /** Like vitest's; the body runs only when nothing is missing. */
  describe(name: string, body: () => void): void;
  it(name: string, body: () => unknown, timeoutMs?: number): void;
  /** The same for the long form: another combination of what `it` shows in the short one. */
  longIt(name: string, body: () => unknown, timeoutMs?: number): void;
}

const skipIt = (name: string): void => testCase(name, (context) => context.skip(LONG_FORM_NOTE));

/** `const { describe, it } = requires({ root: true, fuse: true })` */
export function requires(needs: Needs): Guarded {
  const reason = missingOf(needs).join(", ");
  if (reason === "") {
    const it: Guarded["it"] = (name, body, timeoutMs) => testCase(name, async () => void (await body()), timeoutMs);
    return { describe: (name, body) => void describeTests(name, body), it, longIt: isLongForm ? it : skipIt };
  }
  const refused = (name: string): void =>
    testCase(name, (context) => {
      if (kernelIsRequired) throw new Error(`${reason} (KMEMFS_REQUIRE_KERNEL=1)`);
      context.skip(reason);
    });
  return {
    describe: (name, _body) => void describeTests(name, () => refused("all of it")),
    it: (name) => refused(name),
    longIt: isLongForm ? refused : skipIt,
  };
}
