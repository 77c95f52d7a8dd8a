/** Bugs of the kind that only the death of a server shows. Each is planted alone, and the trial must find it. */
import type { PlantedBug } from "../../support/planted.js";

export interface FailoverBug extends PlantedBug {
  readonly name: string;
  /** Where it shows soonest. */
  readonly args: readonly string[];
}

const SERVED = ["--io=served", "--only=ext4"];

export const failoverBugs: readonly FailoverBug[] = [
  {
    name: "nothing is asked again",
    file: "src/daemon/server/serverMain.ts",
    find: "  resend(facts);\n",
    replace: "",
    args: SERVED,
  },
  {
    name: "the successor serves while the old server does",
    file: "src/daemon/holder/serverKeeper.ts",
    find: "      await within(STANDBY_MS, next.standsBy);\n",
    replace:
      "      await within(STANDBY_MS, next.standsBy);\n      next.go();\n      await next.ready;\n      await sleep(500);\n",
    args: SERVED,
  },
  {
    name: "replies are gathered from pages that are not faulted in",
    file: "src/linux/memory/faultedPages.ts",
    find: "const end = firstPage + pageCount;",
    replace: "const end = firstPage;",
    args: SERVED,
  },
  {
    name: "buffers are not faulted in",
    file: "src/linux/syscall/buffers.ts",
    find: "MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);",
    replace:
      "MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n  if (address > 0) return { address, lengthBytes: length, bytes: viewMemory(address, length), locked: false };",
    args: SERVED,
  },
  {
    name: "a server has clones of its own",
    file: "src/linux/fuse/fuseDevice.ts",
    find: "  constructor(private readonly fd: number) {}\n",
    replace:
      "  constructor(first) {\n    const own = cloneFuseDevice(first);\n    this.fd = own < 0 ? first : own;\n  }\n  private readonly fd: number;\n",
    args: SERVED,
  },
  {
    name: "pages in limbo are reused at once",
    file: "src/pool/limbo.ts",
    find: "at - first < most && this.epochs.hasPassed(this.runs[slotOf(at) + 2])",
    replace: "at - first < most",
    args: SERVED,
  },
  {
    name: "a killed server is the end",
    file: "src/daemon/holder/serverKeeper.ts",
    find: "deathsMs.length > parts.mostDeaths",
    replace: "deathsMs.length > 3",
    args: [],
  },
];
