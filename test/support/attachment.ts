/** Loop devices whose numbers other tests may take as soon as they are free. */
import { readLoopDevices } from "../../src/linux/proc/loopDevices.js";

/** @returns whether `device` is still attached to what it is attached to now */
export function attachmentOf(device: string): () => boolean {
  const diskSeq = readLoopDevices().find(({ path }) => path === device)?.diskSeq;
  if (diskSeq === undefined) throw new Error(`${device} is not attached`);
  return () => readLoopDevices().some((loop) => loop.path === device && loop.diskSeq === diskSeq);
}
