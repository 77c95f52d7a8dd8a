/** Puts the blocks of a closed pool on random pages, as no mount would, and keeps their content. */
import { closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { PAGE_BYTES } from "../../src/base/units.js";
import { decode } from "../../src/pool/superblock.js";
import { run } from "./processes.js";
import type { Random } from "./random.js";

interface PoolFiles {
  readonly meta: string;
  readonly data: string;
  readonly pageCount: number;
  /** Pages of the pool before byte 0 of `data`. */
  readonly pagesBefore: number;
}

function filesOf(pool: string): PoolFiles {
  const isSplit = statSync(pool).isDirectory();
  const [meta, data] = isSplit ? [join(pool, "meta"), join(pool, "data")] : [pool, pool];
  const metaPages = statSync(meta).size / PAGE_BYTES;
  if (!isSplit) return { meta, data, pageCount: metaPages, pagesBefore: 0 };
  return { meta, data, pageCount: metaPages + statSync(data).size / PAGE_BYTES, pagesBefore: metaPages };
}

/** @param pool path of a clean pool, a file or a directory. @returns how many blocks it has */
export async function shufflePool(pool: string, random: Random): Promise<number> {
  const files = filesOf(pool);
  const metaFd = openSync(files.meta, "r+");
  const dataFd = openSync(files.data, "r+");
  try {
    const { geometry } = decode(readAt(metaFd, 0, PAGE_BYTES), files.pageCount);
    const { firstDataPage, dataPages } = geometry;
    const entries = new Uint32Array(readAt(metaFd, PAGE_BYTES, geometry.indexPages * PAGE_BYTES).buffer);
    const byteOf = (page: number): number => (page - files.pagesBefore) * PAGE_BYTES;
    const contents = new Map<number, Uint8Array>();
    for (let block = 0; block < geometry.maxBlocks; block++) {
      const page = entries[2 * block] as number;
      if (page !== 0) contents.set(block, readAt(dataFd, byteOf(page), PAGE_BYTES));
    }
    const dataAt = [`${byteOf(firstDataPage)}`, "-l", `${dataPages * PAGE_BYTES}`];
    await run("fallocate", ["-p", "-o", ...dataAt, files.data]);
    const pages = Array.from({ length: dataPages }, (_, i) => firstDataPage + i);
    for (const [block, bytes] of contents) {
      const page = pages.splice(random.below(pages.length), 1)[0] as number;
      writeSync(dataFd, bytes, 0, PAGE_BYTES, byteOf(page));
      writeSync(metaFd, new Uint32Array([page]), 0, 4, PAGE_BYTES + 8 * block);
    }
    return contents.size;
  } finally {
    closeSync(metaFd);
    closeSync(dataFd);
  }
}

function readAt(fd: number, at: number, lengthBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lengthBytes);
  if (readSync(fd, bytes, 0, lengthBytes, at) !== lengthBytes) throw new Error("the pool's file is too short");
  return bytes;
}
