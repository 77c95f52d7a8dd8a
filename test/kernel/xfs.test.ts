/** xfs on a loop device: deleted files give their memory back, and fsck finds nothing. */
import { liveOnFileSystem } from "../support/fileSystemLife.js";
import { withDisk } from "../support/place.js";
import { requires } from "../support/requires.js";

const { it } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["mkfs.xfs", "xfs_repair", "fstrim", "xfs_io"],
  fileSystems: ["xfs"],
  freeMemoryBytes: 2 ** 30,
});

it("a tree of files is copied, compared, deleted and trimmed", () =>
  withDisk({ size: "1G" }, (disk, place) => liveOnFileSystem("xfs", disk, place)));
