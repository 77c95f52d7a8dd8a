/**
 * The long form of the tests, `npm run test:long`: every kernel test in both ways of
 * data, and those that show in other combinations what the short form shows in one.
 */
export const isLongForm = process.env.KMEMFS_TEST_LONG === "1";

/** Why a test is skipped in the short form; that is meant, and never a failure. */
export const LONG_FORM_NOTE = "only in npm run test:long";

/** All in the long form, the first `count` in the short one: put first what differs most from the others. */
export function someOf<T>(all: readonly T[], count: number): readonly T[] {
  return isLongForm ? all : all.slice(0, count);
}
