/**
 * `kmemfs` as it was compiled with the trials: holders and servers are of the same
 * tree, so that a bug that was planted there is in them.
 */
import { main } from "../../../src/cli/main.js";

await main(process.argv);
