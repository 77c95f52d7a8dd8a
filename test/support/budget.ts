/** How much a random test does: `npm run test:long` sets the factor. */

/** `count` times KMEMFS_TEST_BUDGET, which is 1 unless set. @throws Error when it is not a positive number */
export function budget(count: number): number {
  const factor = Number(process.env.KMEMFS_TEST_BUDGET ?? "1");
  if (!(factor > 0)) throw new Error("KMEMFS_TEST_BUDGET must be a positive number");
  return Math.ceil(count * factor);
}
