/**
 * The protocol core: takes the bytes of a request and plans the reply. It knows
 * no device and no thread. Every request that expects a reply gets exactly one;
 * a malformed one gets an errno.
 */
import { EINVAL, ENOSYS } from "../base/errno.js";
import { fuse_in_header } from "./abi.js";
import { REPLIED } from "./exchange.js";
import type { FileSystem } from "./fileSystem.js";
import { rowByOpcode } from "./opcodes.js";

/**
 * Handles the request of `lengthBytes` bytes that lies in the exchange. The
 * caller brackets it, and the sending of the reply, by `enter` and `leave`.
 * @returns true when `exchange.iovecs` is a reply to be sent
 */
export function dispatch(fs: FileSystem, lengthBytes: number): boolean {
  const { exchange } = fs;
  exchange.lengthBytes = lengthBytes;
  // Without a whole header there is no request to answer.
  if (lengthBytes < fuse_in_header.sizeBytes) return false;
  const row = rowByOpcode[exchange.opcode];
  if (row !== undefined && !row.answered) return false;
  if (exchange.words[fuse_in_header.word.len] !== lengthBytes) {
    exchange.fail(EINVAL);
    return true;
  }
  if (row === undefined) {
    exchange.fail(ENOSYS);
    return true;
  }
  const result = exchange.bodyBytes < row.inBytes ? -EINVAL : row.handler(fs);
  if (result === REPLIED) return true;
  if (result < 0) exchange.fail(-result);
  else exchange.finish(result);
  return true;
}
