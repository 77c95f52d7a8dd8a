/**
 * One execution: makes the pool that the input describes, looks at it, opens it,
 * and does one of the things that people do with pools. All that may be thrown
 * on the way is MediaError and UserError, and those are answers: whatever comes
 * out of `execute` is a finding.
 */
import { isWritable, MAX_GENERATION, STATE_DIRECT, type Superblock } from "../../../src/pool/superblock.js";
import { beginAllocations } from "./allocations.js";
import { buildPool } from "./buildPool.js";
import { damage } from "./damages.js";
import { InputBytes } from "./inputBytes.js";
import { look } from "./look.js";
import { Media } from "./media.js";
import { recoverMedia, rehomeDirect, rehomeMedia, throughDirect } from "./mend.js";
import { repairMedia } from "./repairMedia.js";
import { openOrRefuse, serve, showReadOnly } from "./serve.js";
import { demand } from "./violation.js";

const media = new Media();

/** From here on a pool may be opened and not closed: there is no next generation to write. */
const LAST_GENERATIONS = MAX_GENERATION - 64;

/** How far an execution came, for the figures. */
export type Reached = "refused" | "shown" | "served" | "rehomed" | "direct" | "recovered" | "repaired";

/** @throws Violation, or whatever else the code under test throws */
export function execute(bytes: Uint8Array): Reached {
  const input = new InputBytes(bytes);
  const act = input.u8();
  const requests = new InputBytes(bytes.subarray(1, 13));
  for (let i = 0; i < 12; i++) input.u8();
  damage(input, media, buildPool(input, media));
  media.save();
  beginAllocations();
  return use(act, requests);
}

function use(act: number, requests: InputBytes): Reached {
  const looked = look(media);
  const { superblock } = looked;
  const isRepair = (act & 7) >= 5;
  if (superblock === null) {
    if (isRepair) repairMedia(media, (act & 8) !== 0, null);
    return isRepair ? "repaired" : "refused";
  }
  const isWriter = isWritable(superblock);
  if (superblock.generation > LAST_GENERATIONS) return useLast(superblock);
  if (superblock.state === STATE_DIRECT) return isWriter ? useDirect(act, superblock) : "refused";
  const isSound = looked.check?.indexFindings === 0 && looked.check.state !== "unknown";
  const shown = showReadOnly(media, superblock, isSound);
  if (isRepair) {
    const isSame = looked.check?.blocks === superblock.blocks;
    repairMedia(media, (act & 8) !== 0, isSame ? shown : null);
    return "repaired";
  }
  if (shown === null || !isWriter || looked.check?.state === "unknown") return "shown";
  if ((act & 7) === 1) {
    rehomeMedia(media, looked, superblock, shown);
    return "rehomed";
  }
  if ((act & 7) === 2 && media.split) {
    throughDirect(media, superblock, shown);
    return "direct";
  }
  serve(requests, media, looked, superblock, shown);
  return "served";
}

/** Whatever becomes of a mount of it: it can be read afterwards. */
function useLast(superblock: Superblock): Reached {
  if (superblock.state !== STATE_DIRECT && isWritable(superblock)) openOrRefuse(media, superblock, false);
  media.save();
  demand(look(media).superblock !== null, () => "a pool of a late generation cannot be read after a mount");
  return "shown";
}

function useDirect(act: number, superblock: Superblock): Reached {
  if ((act & 7) >= 5) {
    repairMedia(media, false, null);
    return "repaired";
  }
  if ((act & 7) === 0) rehomeDirect(media, superblock);
  else recoverMedia(media, superblock);
  return (act & 7) === 0 ? "rehomed" : "recovered";
}
