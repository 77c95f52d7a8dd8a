/** The nice value of the calling thread: each has its own (setpriority(2), NOTES). */
import { constants, getPriority, setPriority } from "node:os";

const { PRIORITY_HIGHEST } = constants.priority;
const ownPriority = getPriority();

/**
 * Whoever is woken by a reply should not take the CPU from the thread that has
 * more replies to give: with 8 jobs that is worth a tenth. A user may not, and goes on without.
 */
export function preferThisThread(isPreferred = true): void {
  try {
    setPriority(0, isPreferred ? PRIORITY_HIGHEST : ownPriority);
  } catch {
    // EACCES or EPERM without CAP_SYS_NICE.
  }
}
