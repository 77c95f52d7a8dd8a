/** What the body of a successful reply must be. */
import type { FileModel } from "./model.js";
import type { RequestView } from "./view.js";

/** Bytes of the structs in linux/fuse.h; 0 where there is no body. */
const bodyBytes: Readonly<Record<number, number>> = {
  1: 128,
  3: 104,
  4: 104,
  14: 16,
  16: 8,
  17: 80,
  27: 16,
  46: 8,
  52: 288,
};

/** @param model as it is after the request @returns what is wrong, or null */
export function replyFault(
  request: RequestView,
  body: Uint8Array,
  model: FileModel,
  capacityPages: number,
): string | null {
  const { opcode } = request;
  if (opcode === 15) return readFault(request, body, model);
  if (opcode === 28 || opcode === 44) {
    return body.length <= request.u32(16) ? null : `${body.length} bytes of directory, ${request.u32(16)} asked for`;
  }
  const expectedBytes = bodyBytes[opcode] ?? 0;
  if (body.length !== expectedBytes) return `${body.length} bytes of body instead of ${expectedBytes}`;
  const view = new DataView(body.buffer, body.byteOffset);
  const wide = (at: number): number => Number(view.getBigUint64(at, true));
  const mapped = model.mappedBlocks;
  if (opcode === 16) {
    const written = Math.max(0, Math.min(request.u32(16), model.sizeBytes - request.u64(8)));
    return same("bytes written", view.getUint32(0, true), written);
  }
  if (opcode === 17)
    return same("blocks", wide(0), capacityPages) ?? same("free blocks", wide(8), capacityPages - mapped);
  if (opcode === 46) return same("offset", wide(0), model.seek(request.u64(8), request.u32(16) === 3));
  if ((opcode === 3 || opcode === 4) && request.nodeid === 2) {
    return same("size", wide(24), model.sizeBytes) ?? same("st_blocks", wide(32), mapped * 8);
  }
  return null;
}

function same(what: string, found: number, expected: number): string | null {
  return found === expected ? null : `${what}: ${found} instead of ${expected}`;
}

function readFault(request: RequestView, body: Uint8Array, model: FileModel): string | null {
  const from = Math.min(request.u64(8), model.sizeBytes);
  const expected = model.content.subarray(from, Math.min(from + request.u32(16), model.sizeBytes));
  if (body.length !== expected.length) return `${body.length} bytes read instead of ${expected.length}`;
  if (Buffer.compare(body, expected) === 0) return null;
  return `byte ${from + body.findIndex((byte, i) => byte !== expected[i])} of the file is not what was written`;
}
