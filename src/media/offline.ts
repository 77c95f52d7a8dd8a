/** Implements `kmemfs format` and `kmemfs rehome` for a pool that is not mounted. */
import { UserError } from "../base/errors.js";
import { PAGE_BYTES } from "../base/units.js";
import { type Backing, closeBacking } from "../linux/backing/backing.js";
import { openBacking } from "../linux/backing/openBacking.js";
import { type RehomeOptions, type RehomeReport, rehome } from "../pool/rehome.js";
import { formatUuid, isWritable, labelBytes, type Superblock } from "../pool/superblock.js";
import { type FormatOptions, formatPath } from "./formatPath.js";
import { mapGuarded } from "./guardedMemory.js";
import { readPool } from "./readSuperblock.js";

export interface FormatResult {
  readonly path: string;
  readonly uuid: string;
  readonly label: string;
  readonly layout: "single" | "split";
  readonly sizeBytes: number;
  readonly maxSizeBytes: number;
  readonly poolBytes: number;
}

/** Formats the pool at `options.path`. @throws UserError */
export async function formatPoolAt(options: FormatOptions): Promise<FormatResult> {
  const { backing, superblock } = formatPath(options);
  closeBacking(backing);
  return {
    path: options.path,
    uuid: formatUuid(superblock.uuid),
    label: new TextDecoder().decode(labelBytes(superblock.label)),
    layout: backing.layout,
    sizeBytes: superblock.blocks * PAGE_BYTES,
    maxSizeBytes: superblock.geometry.maxBlocks * PAGE_BYTES,
    poolBytes: superblock.geometry.pageCount * PAGE_BYTES,
  };
}

/**
 * Moves every block of the pool at `path` to its home page.
 * @throws UserError, MediaError
 */
export async function rehomePoolAt(path: string, options: RehomeOptions = {}): Promise<RehomeReport> {
  const opened = openBacking(path, { readOnly: false });
  try {
    const { backing, superblock } = readPool(opened);
    if (!isWritable(superblock)) {
      throw new UserError(path, "has features that this version supports only for reading", { code: "EROFS" });
    }
    return rehomeBacking(backing, superblock, options);
  } finally {
    closeBacking(opened);
  }
}

function rehomeBacking(backing: Backing, superblock: Superblock, options: RehomeOptions): RehomeReport {
  const { memory, close } = mapGuarded(backing, superblock.geometry.firstDataPage);
  try {
    return rehome(memory, superblock, options);
  } finally {
    close();
  }
}
