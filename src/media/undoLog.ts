/** The side file of a repair: on the media, with its directory, before the first change. */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../base/errors.js";
import type { PageNo } from "../base/units.js";
import { syncDirectory } from "../linux/backing/poolFile.js";
import type { UndoLog } from "../pool/repair.js";
import { readUndoFile, type UndoFile, UndoImages, type UndoPool } from "../pool/undoFile.js";

/** Makes its file with the first page: a repair that changes nothing leaves none. */
export class UndoWriter implements UndoLog {
  private fd = -1;
  private readonly images: UndoImages;

  constructor(
    readonly path: string,
    pool: UndoPool,
  ) {
    this.images = new UndoImages(pool, (bytes) => this.append(bytes));
  }

  get isOpen(): boolean {
    return this.fd >= 0;
  }

  save(page: PageNo, bytes: Uint8Array): void {
    this.attempt(() => this.images.save(page, bytes));
  }

  seal(generation: number): void {
    this.attempt(() => {
      this.images.seal(generation);
      fsyncSync(this.fd);
      syncDirectory(dirname(this.path));
    });
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
  }

  private append(bytes: Uint8Array): void {
    if (this.fd < 0) this.fd = openSync(this.path, "wx", 0o600);
    writeFileSync(this.fd, bytes);
  }

  /** @throws UserError; nothing of the pool was changed */
  private attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "EIO";
      const reason =
        code === "EEXIST" ? "already exists and will not be overwritten" : "cannot be written, so nothing was repaired";
      throw new UserError(this.path, reason, { code, cure: "--undo-file PATH" });
    }
  }
}

/** Opens what a repair wrote. @throws UserError */
export function openUndoFile(path: string): { undo: UndoFile; close(): void } {
  let fd = -1;
  try {
    fd = openSync(path, "r");
    const undo = readUndoFile({ lengthBytes: fstatSync(fd).size, read: (at, length) => readAt(fd, at, length) });
    return { undo, close: () => closeSync(fd) };
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    if (error instanceof UserError) throw new UserError(path, error.reason, error.options);
    throw new UserError(path, "cannot be read", { code: (error as NodeJS.ErrnoException).code ?? "EIO" });
  }
}

function readAt(fd: number, at: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let done = 0; done < lengthBytes; ) {
    const count = readSync(fd, bytes, done, lengthBytes - done, at + done);
    if (count === 0) break;
    done += count;
  }
  return bytes;
}
