/** Where this checkout is, and the mark that tells this test run's things from another's. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the checkout, without a final slash. The trials run from a compiled copy, which is deeper. */
export const projectRoot = topOf(dirname(fileURLToPath(import.meta.url)));

function topOf(directory: string): string {
  // The compiled copy has a package.json too, and no program.
  return existsSync(join(directory, "bin/kmemfs.js")) ? directory : topOf(dirname(directory));
}

/** The program as a user runs it: `run(process.execPath, [kmemfsProgram, …])`. */
export const kmemfsProgram = join(projectRoot, "bin/kmemfs.js");

/** The environment variable that carries the mark to every process that a test starts. */
export const RUN_MARK = "KMEMFS_TEST_RUN";

/** The prefix of every temporary directory of the tests; the run's mark follows. */
export const TEMPORARY_PREFIX = "kmemfs-test-";

/** The mark of this run. Set once, so that the children of this process inherit it. */
export const runMark: string = process.env[RUN_MARK] ?? randomBytes(6).toString("hex");
process.env[RUN_MARK] = runMark;

/** Makes an empty directory that `freeOurs` recognises by its name. Who asks for it removes it. */
export function temporaryDirectory(purpose = "x", parent: string = tmpdir()): string {
  return mkdtempSync(join(parent, `${TEMPORARY_PREFIX}${runMark}-${purpose}-`));
}

/**
 * The I/O mode that this run of the kernel tests is about. `direct` leaves
 * the choice to kmemfs, so that pools which cannot be direct are tested as well.
 */
export const testedIo: "served" | "direct" = process.env.KMEMFS_TEST_IO === "served" ? "served" : "direct";

/** False: mounts of this run have no server that stands by. */
const hasSpare = process.env.KMEMFS_TEST_SPARE !== "0";

/** The arguments of a kmemfs command, with the I/O mode where it takes one and none is given, and without a spare. */
export function withTestedIo(args: readonly string[]): readonly string[] {
  // `kmemfs MOUNTPOINT` is short for mount.
  const isMount = args[0] === "mount" || args[0] === "up" || args[0]?.startsWith("/") === true;
  if (!isMount) return args;
  const isGiven = args.includes("--io") || args.some((arg) => arg.includes("io="));
  const io = testedIo === "direct" || isGiven ? [] : ["--io", testedIo];
  const spare = hasSpare || args.includes("--no-spare") ? [] : ["--no-spare"];
  return [...args, ...io, ...spare];
}
