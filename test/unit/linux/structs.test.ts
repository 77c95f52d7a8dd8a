/** src/linux/syscall/structs.ts against the system's C headers. */
import { expect, it as plainIt } from "vitest";
import * as structs from "../../../src/linux/syscall/structs.js";
import { type AnyStruct, factsOfStruct, headerValues } from "../../support/headerFacts.js";
import { requires } from "../../support/requires.js";

const { it } = requires({ commands: ["cc"], files: ["/usr/include/linux/loop.h", "/usr/include/linux/fuse.h"] });

const HEADERS = [
  "poll.h",
  "signal.h",
  "sys/socket.h",
  "sys/stat.h",
  "sys/uio.h",
  "sys/un.h",
  "linux/fs.h",
  "linux/fuse.h",
  "linux/loop.h",
];
/** With which version of linux/fuse.h it came. */
const SINCE: Readonly<Record<string, number>> = { fuse_backing_map: 40 };

const isStruct = (value: unknown): value is AnyStruct => typeof value === "object" && value !== null;

it("each struct is the system header's", () => {
  const all = Object.values<unknown>(structs).filter(isStruct);
  const facts = all
    .flatMap((struct) => factsOfStruct(struct, (name) => SINCE[name.split(".")[0] ?? ""] ?? 0))
    .filter(({ name }) => !name.includes(".padding"));
  const printed = headerValues(HEADERS, facts, ({ since }) => `FUSE_KERNEL_MINOR_VERSION >= ${since}`);
  const known = facts.filter(({ name, since }) => since === 0 || printed.has(name));
  expect(known.map(({ name, value }) => [name, value])).toEqual(known.map(({ name }) => [name, printed.get(name)]));
  expect(known.length).toBeGreaterThan(100);
}, 90_000);

plainIt("fields are read and written by name, whatever their size", () => {
  const polled = new structs.StructMemory(structs.pollfd).set({ fd: 0xfedcba98, revents: 0xffff });
  expect([polled.get("fd"), polled.get("events"), polled.get("revents")]).toEqual([0xfedcba98, 0, 0xffff]);
  const info = new structs.StructMemory(structs.loop_info64).set({ lo_inode: 2 ** 52 + 3, lo_flags: 1 });
  info.bytesOf("lo_file_name", 3).set([1, 2, 3]);
  expect([info.get("lo_device"), info.get("lo_inode"), info.get("lo_flags")]).toEqual([0, 2 ** 52 + 3, 1]);
  expect([...info.bytes.subarray(55, 60)]).toEqual([0, 1, 2, 3, 0]);
});
