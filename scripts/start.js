/** `npm start`: builds when needed and shows the whole life of a disk. Arguments go to the demo. */
import { build } from "./build.js";
import { demoPackages, ensurePackages } from "./debianPackages.js";
import { become } from "./run.js";

ensurePackages(demoPackages);
const status = await build({ ifNeeded: true });
if (status === 0) become(process.execPath, ["bin/kmemfs.js", "demo", ...process.argv.slice(2)]);
else process.exitCode = status;
