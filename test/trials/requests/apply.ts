/** What a request that is answered with success does to the file. */
import type { FileModel } from "./model.js";
import type { RequestView } from "./view.js";

const [FATTR_MODE, FATTR_UID, FATTR_GID, FATTR_SIZE] = [1, 2, 4, 8];

export function apply(model: FileModel, request: RequestView): void {
  switch (request.opcode) {
    case 4:
      setattr(model, request);
      break;
    case 14:
      // O_TRUNC: the size is the disk's and stays.
      if ((request.u32(0) & 0o1000) !== 0) model.discard(0, model.sizeBytes);
      break;
    case 16:
      model.write(request.u64(8), request.body(40).subarray(0, request.u32(16)));
      break;
    case 43:
      if (request.u32(24) <= 1) model.reserve(request.u64(8), request.u64(16));
      else model.discard(request.u64(8), request.u64(16));
      break;
  }
}

function setattr(model: FileModel, request: RequestView): void {
  const valid = request.u32(0);
  if ((valid & FATTR_SIZE) !== 0) model.resize(request.u64(16) / 4096);
  if ((valid & FATTR_MODE) !== 0) model.mode = request.u32(68) & 0o7777;
  if ((valid & FATTR_UID) !== 0) model.uid = request.u32(76);
  if ((valid & FATTR_GID) !== 0) model.gid = request.u32(80);
}
