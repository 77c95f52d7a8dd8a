/** `kmemfs format POOL`: makes a pool; what is there already stays unless --force. */

import { resolve } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { formatPoolAt } from "../media/formatPath.js";
import { parsePool } from "./mountOptions.js";
import { printLine } from "./print.js";
import { formatBytes, parsePageSizeFloor } from "./sizes.js";

interface FormatFlags {
  size?: string;
  maxSize?: string;
  poolSize?: string;
  split?: boolean;
  full?: boolean;
  label?: string;
  force?: boolean;
  atomicWrites?: boolean;
  durable?: boolean;
}

/** A pool that has a path, absolute. @throws UserError for one that lives only while it is mounted */
export function poolPath(verb: string, text: string, exitCode: number): string {
  const directory = process.cwd();
  const source = parsePool(text, { root: true, directory });
  if (source.kind === "path") return resolve(directory, source.path);
  throw new UserError(`${verb} ${text}`, "this pool exists only while it is mounted", {
    cure: `kmemfs mount ${text} MOUNTPOINT, or ./${text} for a file with that name`,
    exitCode,
  });
}

function optionalSize(text: string | undefined, name: string): number | undefined {
  return text === undefined ? undefined : parsePageSizeFloor(text, `format --${name} ${text}`);
}

async function format(pool: string, flags: FormatFlags): Promise<void> {
  const path = poolPath("format", pool, 2);
  const sizeBytes = optionalSize(flags.size, "size");
  const maxSizeBytes = optionalSize(flags.maxSize, "max-size");
  const poolSizeBytes = optionalSize(flags.poolSize, "pool-size");
  if (sizeBytes !== undefined && maxSizeBytes !== undefined && sizeBytes > maxSizeBytes) {
    throw new UserError(`format --size ${flags.size}`, `larger than --max-size ${flags.maxSize}`, { exitCode: 2 });
  }

  const result = await formatPoolAt({
    path,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(maxSizeBytes === undefined ? {} : { maxSizeBytes }),
    ...(poolSizeBytes === undefined ? {} : { poolSizeBytes }),
    split: flags.split ?? false,
    full: flags.full ?? false,
    ...(flags.label === undefined ? {} : { label: flags.label }),
    force: flags.force ?? false,
    atomicWrites: flags.atomicWrites ?? false,
    durable: flags.durable ?? false,
  });
  printLine(
    `${path}: ${formatBytes(result.sizeBytes)} file, ${formatBytes(result.poolBytes)} pool, uuid ${result.uuid}`,
  );
}

export function defineFormat(command: Command): void {
  command
    .description(
      "Formats POOL as a pool. Recognised data is not overwritten without --force.\nAn existing file is resized to what the sizes require; --pool-size sets its length.",
    )
    .argument("<pool>", "a file, a directory, or /dev/daxX.Y")
    .option("--size <size>", "size of the disk: 512M, 4G, 1.5GiB, 4GB, or bytes")
    .option("--max-size <size>", "largest size the disk can be resized to")
    .option("--pool-size <size>", "size of the pool; if smaller than --size, the disk is thin")
    .option("--split", "make POOL a directory with two files, meta and data")
    .option("--full", "allocate every block now")
    .option("--atomic-writes", "reserve pages for mount --atomic-writes on a full disk")
    .option("--durable", "refuse storage that does not survive a power cut")
    .option("--label <label>", "label of the pool")
    .option("--force", "overwrite existing data")
    .option("--debug", "show stack traces on errors")
    .addHelpText("after", "\nExample:\n  kmemfs format /srv/pool --size 4G && kmemfs mount /srv/pool /mnt/disk")
    .action(format);
}
