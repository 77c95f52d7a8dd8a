import { expect, it } from "vitest";
import { asksForSize, optionsInFstab } from "../../../src/cli/mountHelper.js";

const TABLE = `# none /mnt/a fuse.kmemfs size=1G 0 0

none  /mnt/a\tfuse.kmemfs  size=64M,noauto  0 0
  tmpfs /mnt/b tmpfs size=2G
/srv/p /mnt/c\\040d kmemfs ro 0 0
/srv/p /mnt/bare
`;

it.each([
  ["/mnt/a", "size=64M,noauto"],
  ["/mnt/b", null],
  ["/mnt/c d", "ro"],
  ["/mnt/bare", null],
  ["/mnt", null],
])("finds the options of %s", (directory, options) => {
  expect(optionsInFstab(directory, TABLE)).toBe(options);
});

it.each([
  [["ro", "size=64M"], ["size=64M"], false],
  [["size=64M", "size=128M"], ["size=64M"], true],
  [["size=64M", "size=64M"], ["size=64M"], true],
  [["size=128M"], ["size=64M"], true],
  [["size=64M"], [], true],
  [["ro"], ["size=64M"], false],
])("tells a size that was asked for from that of fstab: %j of %j", (options, inFstab, asked) => {
  expect(asksForSize(options, inFstab)).toBe(asked);
});
