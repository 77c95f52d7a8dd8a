/** What a holder notes for the one after it. */
import { closeSync } from "node:fs";
import { expect, it } from "vitest";
import {
  isChannel,
  readSessionRecord,
  type SessionRecord,
  sessionFds,
  withStoredFds,
  writeSessionRecord,
} from "../../../src/daemon/holder/sessionRecord.js";
import type { Backing } from "../../../src/linux/backing/backing.js";
import { createNote, writeNote } from "../../../src/linux/process/noteFile.js";
import { userError } from "../linux/support.js";

function record(backing: Partial<Backing>, channelFds: readonly number[]): SessionRecord {
  return {
    options: { mountpoint: "/mnt/x" } as SessionRecord["options"],
    backing: { kind: "file", metaFd: 10, dataFd: 10, ...backing } as Backing,
    session: { directory: "/mnt/x", channelFds } as unknown as SessionRecord["session"],
    io: "served",
    ioReason: null,
    wasUnclean: false,
    damage: null,
    refused: [],
    givenUp: null,
    restarts: 3,
    lastDeath: null,
  };
}

const stored = (fds: ReadonlyMap<string, number>): Map<string, number> =>
  new Map([...fds].map(([name, fd]) => [name, fd + 100]));

for (const [what, backing, channels] of [
  ["one file, a clone a thread", {}, [20, 21, 22]],
  ["one file, one channel for all threads of a user", {}, [20, 20, 20]],
  ["metadata and data apart", { dataFd: 11 }, [20]],
  ["a private tmpfs", { dataFd: 11, tmpfsFd: 12 }, [20, 21]],
] as const) {
  it(`has each fd once, and all of them again: ${what}`, () => {
    const before = record(backing, channels);
    const fds = sessionFds({ memoryFd: 5, nameFd: 6, backing: before.backing, channelFds: channels }, 4);
    expect(new Set(fds.values()).size).toBe(fds.size);
    const after = withStoredFds(before, stored(fds));
    expect(after).toEqual({
      backing: {
        ...before.backing,
        metaFd: 110,
        dataFd: before.backing.dataFd + 100,
        ...(before.backing.tmpfsFd === undefined ? {} : { tmpfsFd: before.backing.tmpfsFd + 100 }),
      },
      session: { ...before.session, channelFds: channels.map((fd) => fd + 100) },
    });
  });
}

it("names what did not come back", () => {
  const before = record({ dataFd: 11, tmpfsFd: 12 }, [20, 21]);
  const fds = stored(sessionFds({ memoryFd: 5, nameFd: 6, backing: before.backing, channelFds: [20, 21] }, 4));
  for (const name of ["meta", "data", "tmpfs", "channel0", "channel1"]) {
    expect(withStoredFds(before, new Map([...fds].filter(([other]) => other !== name)))).toEqual({ missing: name });
  }
});

it("of one that was given up has no channels", () => {
  const before = { ...record({ dataFd: 11, tmpfsFd: 12 }, []), givenUp: "the server died" };
  const fds = sessionFds({ memoryFd: 5, nameFd: 6, backing: before.backing, channelFds: [] }, 4);
  expect([...fds.keys()].filter(isChannel)).toEqual([]);
  expect(withStoredFds(before, stored(fds))).toMatchObject({ session: { channelFds: [] } });
  const fd = createNote();
  writeSessionRecord(fd, before);
  expect(readSessionRecord(fd)?.givenUp).toBe("the server died");
  closeSync(fd);
});

it("is read as it was written, and not when another version wrote it", () => {
  const fd = createNote();
  expect(readSessionRecord(fd)).toBeNull();
  const before = record({}, [20]);
  writeSessionRecord(fd, before);
  expect(readSessionRecord(fd)).toMatchObject(before);
  writeNote(fd, JSON.stringify({ ...before, version: 99 }));
  expect(userError(() => readSessionRecord(fd)).reason).toMatch(/record version: 99/);
  closeSync(fd);
});
