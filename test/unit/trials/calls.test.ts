/** The calls of a server's main thread, as strace writes them down. */
import { expect, it } from "vitest";
import { parseCalls } from "../../trials/syscalls/resume.js";

it("counts the calls of each name, of the first process alone", () => {
  const trace = [
    '12  execve(""..., [...], 0x7ffd) = 0',
    "12  mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, -1, 0) = 0x7f00",
    "12  futex(0x1, FUTEX_WAIT, 1, NULL <unfinished ...>",
    "14  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0) = 0x7f01",
    "12  <... futex resumed>) = 0",
    "12  --- SIGCHLD {si_signo=SIGCHLD} ---",
    "12  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0) = 0x7f02",
    "12  +++ exited with 0 +++",
  ].join("\n");
  expect(parseCalls(trace)).toEqual([
    { call: "mmap", number: 1 },
    { call: "futex", number: 1 },
    { call: "mmap", number: 2 },
  ]);
});
