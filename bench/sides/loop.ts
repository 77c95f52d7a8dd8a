/** A loop device on another side's file, and the file on tmpfs that is kmemfs's rival there. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { until } from "../../test/support/processes.js";
import { command } from "../shell.js";
import { makeFile } from "./diskFile.js";
import { type Side, type Started, startInSteps } from "./side.js";

const GONE_TIMEOUT_MS = 5_000;

async function detach(device: string): Promise<void> {
  await command("losetup", ["--detach", device]);
  // The kernel lets go of the file when the last user has closed the device, not before.
  const backing = `/sys/block/${basename(device)}/loop/backing_file`;
  await until(() => !existsSync(backing), GONE_TIMEOUT_MS, `${device} to be free`);
}

/** The loop device on the file of `side`, attached with `options` of losetup. */
export function onLoop(side: Side, options: readonly string[], name = side.name, title = side.title): Side {
  const attach = (inner: Started, signal: AbortSignal): Promise<Started> =>
    startInSteps(async (undo) => {
      undo.add(side.title, inner.cleanup);
      const device = (await command("losetup", ["--find", "--show", ...options, inner.file], { signal })).trim();
      undo.add(device, () => detach(device));
      return { ...inner, file: device };
    });
  return {
    name,
    title,
    isPeer: side.isPeer,
    ...(side.isYardstick && { isYardstick: true }),
    ...(side.onlyRows && { onlyRows: side.onlyRows }),
    needs: { ...side.needs, losetup: "mount" },
    start: async (bench) => attach(await side.start(bench), bench.signal),
  };
}

/** A sparse file on tmpfs; `name` tells two of them apart. */
export function tmpfsFile(name: string): Side {
  return {
    name,
    title: "a tmpfs file",
    isPeer: true,
    needs: {},
    start: (bench) =>
      startInSteps(async (undo) => {
        const file = makeFile(join(bench.place.ram, `${name}.img`), bench.sizeBytes, undo);
        return { file, pids: [] };
      }),
  };
}
