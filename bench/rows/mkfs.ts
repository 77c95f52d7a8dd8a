/** The row of making a file system. */
import { discardAll } from "./firstWrites.js";
import type { Row } from "./row.js";
import { makeFileSystem, seconds } from "./workDirectory.js";

export const mkfsRow: Row = {
  name: "mkfs-ext4",
  title: "mkfs.ext4 on an empty device",
  unit: "s",
  isQuick: true,
  needs: { "mkfs.ext4": "e2fsprogs" },
  prepare: discardAll,
  measure: async (side, bench) => ({ value: await seconds(() => makeFileSystem(side, bench)) }),
};
