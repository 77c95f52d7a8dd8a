/** Who else has a file open, and the note that outlives its writer. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, writeSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { commandLine, isGone, openedBy } from "../../../src/linux/proc/openedBy.js";
import { createNote, readNote, writeNote } from "../../../src/linux/process/noteFile.js";
import { until } from "../../support/processes.js";

describe("openedBy", () => {
  it("finds the processes that have the same file, not one of the same name", async () => {
    const ours = createNote();
    const another = createNote();
    const child = spawn("sleep", ["60"], { stdio: ["ignore", "ignore", "ignore", ours] });
    const stranger = spawn("sleep", ["60"], { stdio: ["ignore", "ignore", "ignore", another] });
    const pid = child.pid ?? 0;
    try {
      await until(() => commandLine(pid)[0] === "sleep", 5_000, "the child");
      expect(openedBy(ours)).toEqual([pid]);
      expect(openedBy(another)).toEqual([stranger.pid]);
      expect(commandLine(pid)).toEqual(["sleep", "60"]);
      expect(isGone(pid)).toBe(false);
    } finally {
      child.kill("SIGKILL");
      stranger.kill("SIGKILL");
      await once(child, "exit");
    }
    expect(isGone(pid)).toBe(true);
    expect(openedBy(ours)).toEqual([]);
    expect(commandLine(pid)).toEqual([]);
    closeSync(ours);
    closeSync(another);
  });
});

it("does not take it for nobody when the kernel does not tell", () => {
  const fd = createNote();
  closeSync(fd);
  expect(() => openedBy(fd)).toThrow(/does not report which processes have a file open.*EOPNOTSUPP/);
});

describe("a note", () => {
  it("is empty at first, and then the last text that was written", () => {
    const fd = createNote();
    expect(readNote(fd)).toBeNull();
    for (const text of ["first", "a longer second — with more", "3", "x".repeat(65536)]) {
      writeNote(fd, text);
      expect(readNote(fd)).toBe(text);
    }
    expect(() => writeNote(fd, "x".repeat(65537))).toThrow(/too long/);
    closeSync(fd);
  });

  it("is the old text when its writer was killed before it wrote the header", () => {
    const fd = createNote();
    // The first text goes to the first slot of 64 KiB, the next one to the second.
    writeNote(fd, "old");
    writeSync(fd, "half of the new", 2 * 65536);
    expect(readNote(fd)).toBe("old");
    writeNote(fd, "new");
    expect(readNote(fd)).toBe("new");
    writeSync(fd, "half of the next", 65536);
    expect(readNote(fd)).toBe("new");
    closeSync(fd);
  });

  it("that holds nonsense is none", () => {
    const fd = createNote();
    writeSync(fd, new Uint8Array(Uint32Array.of(7, 12).buffer), 0, 8, 0);
    expect(readNote(fd)).toBeNull();
    writeSync(fd, new Uint8Array(Uint32Array.of(1, 12).buffer), 0, 8, 0);
    expect(readNote(fd)).toBeNull();
    closeSync(fd);
  });
});
