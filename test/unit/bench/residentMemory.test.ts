/** What two processes have in common counts once, and the pool's memory not at all. */
import { expect, it } from "vitest";
import { parseSmaps } from "../../../bench/rows/residentMemory.js";

const SMAPS = `00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/node
Size:                328 kB
Rss:                 300 kB
Anonymous:            12 kB
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
Rss:                 100 kB
Anonymous:           100 kB
7f0000200000-7f0000300000 rw-p 00000000 00:00 0 [heap]
Rss:                  40 kB
Anonymous:            40 kB
7f1000000000-7f1040000000 rw-s 00000000 00:31 5 /data
Rss:             1048576 kB
Anonymous:             0 kB
`;

it("anonymous pages and those of files are told apart", () => {
  const { anonymousBytes, fileBytes } = parseSmaps(SMAPS);
  expect(anonymousBytes).toBe(152 * 1024);
  expect([...fileBytes]).toEqual([
    ["/usr/bin/node", 288 * 1024],
    ["/data", 2 ** 30],
  ]);
});
