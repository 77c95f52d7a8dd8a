/** What runs in the guest: `node guestMain.js STAGE`. */

import { afterCut } from "./guest/afterCut.js";
import { again, underLoad } from "./guest/again.js";
import { first } from "./guest/first.js";
import { otherKernel } from "./guest/otherKernel.js";
import { say } from "./guest/say.js";

const stages: Readonly<Record<string, () => Promise<void>>> = {
  first,
  again,
  afterCut,
  otherKernel,
  // A boot less: the cut comes in the first one.
  brief: async () => {
    await first(true);
    await underLoad();
  },
  briefAfterCut: () => afterCut(true),
};

const stage = stages[process.argv[2] ?? ""];
if (stage === undefined) throw new Error(`no stage ${process.argv[2]}`);
try {
  await stage();
} catch (error) {
  say(`FAILED: ${(error as Error).stack}`);
  process.exitCode = 1;
}
// A child of a stage that failed may still be there.
process.exit();
