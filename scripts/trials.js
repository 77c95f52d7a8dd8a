/**
 * How much each trial of test/trials does: in the short form, which `.ci/run` runs and
 * which shows that it is alive, and in the long one, which is part of a night of
 * `npm run test:long`. KMEMFS_TEST_BUDGET, 1 unless set, is a factor of the long counts.
 */
const factor = Number(process.env.KMEMFS_TEST_BUDGET ?? "1");
const count = (number) => ["--count", String(number)];
const long = (number) => count(Math.ceil(number * factor));

export const trials = {
  crash: { short: count(200_000), long: long(20_000_000) },
  plantedBugs: { short: [], long: [] },
  pools: { short: count(60_000), long: long(12_000_000) },
  requests: { short: count(400_000), long: long(40_000_000) },
  stress: { short: count(1_000_000), long: long(100_000_000) },
  powerCuts: { short: count(15), long: long(1_000) },
  kills: { short: count(30), long: long(4_000) },
  failover: { short: [...count(36), "--span", "350"], long: long(10_000) },
  pauses: { short: count(6), long: count(100) },
  // All calls of all steps.
  syscalls: { short: count(1), long: [] },
  stops: { short: count(1), long: long(100) },
  pressure: { short: ["--seconds", "5", "--most", "1024", "--side", "kmemfs"], long: ["--seconds", "300"] },
  dax: { short: ["--brief"], long: [] },
};
