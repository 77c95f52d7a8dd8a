/**
 * Prepares this process to serve a block device. What the machine refuses is
 * reported, and the process runs without it. The flags are inherited over fork and
 * exec: the holder sets them before it starts the server, because V8's helper
 * threads exist before any script of the server runs.
 */
import { writeFileSync } from "node:fs";
import { errnoName } from "../../base/errno.js";
import { PR_SET_IO_FLUSHER } from "../syscall/constants.js";
import { prctl } from "../syscall/libcMount.js";

/** The kernel kills everything else first: killing us frees nothing of the pool while the holder lives. */
const OOM_SCORE_ADJ = -1000;

/**
 * PR_SET_IO_FLUSHER keeps our own allocations from waiting for write-back that
 * waits for us. mlockall is not used, with or without MCL_ONFAULT: V8 drops
 * pages of its heap with MADV_DONTNEED, which is EINVAL on locked memory, and
 * aborts on it (OS::SetPermissions, Node 20). Only the buffers are locked.
 * @returns each refusal as `NAME: ERRNO`
 */
export function prepareIoProcess(): { readonly refused: string[] } {
  const refused: string[] = [];
  // prctl(2): arguments 3 to 5 must be 0.
  const flusher = prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
  if (flusher < 0) refused.push(`IO_FLUSHER: ${errnoName(-flusher)}`);
  try {
    writeFileSync("/proc/self/oom_score_adj", String(OOM_SCORE_ADJ));
  } catch (error) {
    refused.push(`OOM_SCORE_ADJ: ${(error as NodeJS.ErrnoException).code ?? "EIO"}`);
  }
  return { refused };
}
