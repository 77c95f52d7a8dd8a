/** Entry of a holder in the background: reports on fd 3 whether the mount is ready. */
import { closeSync, writeSync } from "node:fs";
import { errorBody } from "../../base/errors.js";
import type { MountOptions } from "../../mounts/options.js";
import { runHolder } from "./holder.js";
import { fileLog } from "./log.js";

const READY_FD = 3;

function tell(message: object): void {
  try {
    writeSync(READY_FD, JSON.stringify(message));
    closeSync(READY_FD);
  } catch {
    // The process that started this one did not wait.
  }
}

async function main(options: MountOptions): Promise<number> {
  process.title = `kmemfs ${options.mountpoint}`;
  try {
    return await runHolder(
      () => options,
      fileLog(),
      (status) => tell({ status }),
    );
  } catch (error) {
    tell({ error: errorBody(error) });
    return 1;
  }
}

void main(JSON.parse(process.argv[2])).then((exitCode) => process.exit(exitCode));
