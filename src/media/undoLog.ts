/** The undo file of a repair: on the media, with its directory entry, before the first change. */
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32c } from "../base/bytes.js";
import { UserError } from "../base/errors.js";
import type { ByteOffset, PageNo } from "../base/units.js";
import type { UndoLog } from "../pool/repair.js";
import {
  decodeHeader,
  encodeEnd,
  encodeHeader,
  encodeMade,
  encodeSaved,
  HEADER_BYTES,
  type UndoHeader,
  type UndoSource,
} from "../pool/undoFile.js";

const BUFFER_BYTES = 256 * 1024;

/** Makes its file with the first record: a repair that changes nothing leaves none. */
export class UndoWriter implements UndoLog {
  private fd = -1;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private used = 0;
  private checksum = 0;

  constructor(
    readonly path: string,
    private readonly header: UndoHeader,
  ) {}

  get isOpen(): boolean {
    return this.fd >= 0;
  }

  save(at: ByteOffset, oldBytes: Uint8Array, newBytes: Uint8Array): void {
    this.append(encodeSaved(at, oldBytes, newBytes));
  }

  made(page: PageNo, count: number): void {
    this.append(encodeMade(page, count));
  }

  seal(): void {
    this.append(encodeEnd(this.checksum));
    this.attempt(() => {
      this.drain();
      fsyncSync(this.fd);
      const directoryFd = openSync(dirname(this.path), "r");
      try {
        fsyncSync(directoryFd);
      } finally {
        closeSync(directoryFd);
      }
    });
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
  }

  private append(bytes: Uint8Array): void {
    this.attempt(() => {
      if (this.fd < 0) {
        this.fd = openSync(this.path, "wx", 0o600);
        this.put(encodeHeader(this.header));
      }
      this.put(bytes);
    });
  }

  private put(bytes: Uint8Array): void {
    if (this.used + bytes.length > BUFFER_BYTES) this.drain();
    this.buffer.set(bytes, this.used);
    this.used += bytes.length;
    this.checksum = crc32c(bytes, this.checksum);
  }

  private drain(): void {
    for (let done = 0; done < this.used; ) done += writeSync(this.fd, this.buffer, done, this.used - done);
    this.used = 0;
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
export function openUndoFile(path: string): { header: UndoHeader; source: UndoSource; close(): void } {
  let fd = -1;
  try {
    fd = openSync(path, "r");
    const source = sourceOf(fd);
    const header = decodeHeader(source.read(0, HEADER_BYTES));
    if (typeof header !== "string") return { header, source, close: () => closeSync(fd) };
    throw new UserError(path, header, { code: "EINVAL" });
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    if (error instanceof UserError) throw error;
    throw new UserError(path, "cannot be read", { code: (error as NodeJS.ErrnoException).code ?? "EIO" });
  }
}

/** Reads ahead: records are small and mostly follow one another. */
function sourceOf(fd: number): UndoSource {
  const buffer = new Uint8Array(BUFFER_BYTES);
  let start = 0;
  let length = 0;
  return {
    read(at, lengthBytes) {
      if (at < start || at + lengthBytes > start + length) {
        start = at;
        length = 0;
        while (length < lengthBytes) {
          const count = readSync(fd, buffer, length, BUFFER_BYTES - length, at + length);
          if (count === 0) break;
          length += count;
        }
      }
      return buffer.slice(at - start, Math.min(at - start + lengthBytes, length));
    },
  };
}
