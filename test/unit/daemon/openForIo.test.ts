/** What a server holds against the session before it serves a pool. */
import { closeSync } from "node:fs";
import { expect, it } from "vitest";
import { MediaError } from "../../../src/base/errors.js";
import { requireGeometry } from "../../../src/daemon/server/openForIo.js";
import { createMemfd } from "../../../src/linux/backing/memfd.js";
import { formatBacking } from "../../../src/media/formatPath.js";
import { planPool } from "../../../src/media/poolPlan.js";

it("a pool whose layout is not the session's is refused: its index would be read as data", () => {
  const plan = planPool({ sizeBytes: 1 << 22, maxSizeBytes: 1 << 23 });
  const memfd = createMemfd({ pageCount: plan.geometry.pageCount });
  const { backing, superblock } = formatBacking(memfd, plan, { full: false });
  const { geometry } = superblock;
  expect(requireGeometry({ backing, geometry })).toEqual(superblock);
  for (const field of ["indexPages", "maxBlocks"] as const) {
    const other = { ...geometry, [field]: geometry[field] + 1 };
    const refusal = expect(() => requireGeometry({ backing, geometry: other }));
    refusal.toThrow(MediaError);
    refusal.toThrow(`${field} at byte 0: expected ${other[field]}, found ${geometry[field]}`);
  }
  closeSync(backing.metaFd);
});
