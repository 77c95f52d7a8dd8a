/** Who has a pool's lock: whoever has the fd now, not whoever called flock once. */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { lockOwner } from "../../../src/linux/proc/fileLocks.js";
import { LOCK_EX } from "../../../src/linux/syscall/constants.js";
import { flock } from "../../../src/linux/syscall/libc.js";

it("the process that has the fd, though one that is alive took the lock and let go of it", () => {
  // Not where files have another device number than /proc/locks knows (btrfs).
  const directory = mkdtempSync("/dev/shm/kmemfs-lock-");
  const path = join(directory, "pool");
  const fd = openSync(path, "w");
  const other = openSync(path, "r");
  const child = spawn("sleep", ["300"], { stdio: ["ignore", "ignore", "ignore", fd] });
  try {
    expect(flock(fd, LOCK_EX)).toBe(0);
    expect(lockOwner(other)).toBe(process.pid);
  } finally {
    closeSync(fd);
  }
  try {
    expect(lockOwner(other)).toBe(child.pid);
  } finally {
    child.kill("SIGKILL");
    closeSync(other);
    rmSync(directory, { recursive: true });
  }
});
