/**
 * A disk whose servers were given up. Its session has ended and callers got errors,
 * but the holder keeps its pool, which may exist only in memory: until it is released,
 * a new session in the same place can serve it again.
 */
import { UserError } from "../../base/errors.js";
import { makePrivateDirectory } from "../../mounts/stateDirectory.js";
import { waiting } from "./serverProcess.js";
import type { Service } from "./service.js";
import { Serving } from "./serving.js";
import { closeSession, failSession, openSession, removeDeadMounts } from "./session.js";

export class GivenUp {
  private readonly end = waiting<"back" | "let go">();
  private work: Promise<void> | null = null;

  /** @param reason in words */
  constructor(readonly reason: string) {}

  /** Resolves when the disk is served again or released. */
  get over(): Promise<"back" | "let go"> {
    return this.end.promise;
  }

  /** Does what nothing else may be done beside. @throws UserError when something else is being done */
  async alone(what: string, act: () => Promise<void>): Promise<void> {
    if (this.work !== null) {
      throw new UserError(what, "it is being taken down or brought back", { code: "EBUSY", cure: "kmemfs status" });
    }
    this.work = act();
    try {
      await this.work;
    } finally {
      this.work = null;
    }
  }

  isBack(): void {
    this.end.resolve("back");
  }

  /** Waits for a restart in progress. @returns false when the disk is served again */
  async letGo(isBack: () => boolean): Promise<boolean> {
    await this.work?.catch(() => {});
    if (isBack()) return false;
    this.end.resolve("let go");
    return true;
  }
}

/** Ends a session without servers. @returns the facts that remain of it, without fds */
export async function endServing(serving: Serving, service: Service): Promise<Serving> {
  const { session, parts, facts } = serving;
  failSession(session);
  closeSession(session);
  await service.dropChannels();
  return new Serving({ ...session, channelFds: [] }, parts, facts);
}

/**
 * Mounts again where a session was that is over. Its first server takes the pool as one that was cut off, and is
 * the successor of the one that died last.
 * @param begun told of what there is to end when it fails
 * @throws UserError; nothing is mounted then
 */
export async function serveAgain(dead: Serving, service: Service, begun: (serving: Serving) => void): Promise<void> {
  const { options, pool } = dead.parts;
  const { fuseDirectory, mountpoint } = options;
  const what = `recover ${mountpoint}`;
  if (!(await removeDeadMounts(fuseDirectory, null))) {
    const cure = `kmemfs recover --up ${mountpoint}, which clears it`;
    throw new UserError(what, "a loop device still uses its dead mount", { code: "EBUSY", cure });
  }
  makePrivateDirectory(fuseDirectory);
  // Whoever has a file open from before still writes to `data` itself, where it was direct.
  const { facts } = dead;
  const isDirect = facts.io === "direct";
  const obstacle = isDirect ? null : { reason: facts.ioReason ?? "it was in served mode before", cure: "" };
  const session = openSession(options, pool.backing, obstacle);
  const serving = new Serving(session, dead.parts, { ...facts, restarts: facts.restarts + 1 });
  begun(serving);
  const { passthrough } = session;
  if (isDirect && passthrough.kind === "unavailable") {
    throw new UserError(what, `it was in direct mode and no longer can be: ${passthrough.reason}`, {
      code: "EOPNOTSUPP",
    });
  }
  await service.keepChannels(session.channelFds);
  await serving.begin(false);
  if (options.spare) serving.keeper?.keepSpare();
}
