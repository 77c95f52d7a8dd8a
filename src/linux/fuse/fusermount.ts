/**
 * Mounting as a user: the set-uid fusermount3 opens /dev/fuse, mounts, and
 * sends the fd over the socket named by _FUSE_COMMFD (SCM_RIGHTS, unix(7)).
 */
import { closeSync } from "node:fs";
import { EBUSY, EINVAL, EIO, EPERM, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import type { Errno } from "../../base/units.js";
import { runSync } from "../process/command.js";
import { UnixMessage, unixSocketPair } from "../syscall/unixMessage.js";
import { type FuseMountOptions, kernelOptions } from "./mountFuse.js";

const FUSERMOUNT = "fusermount3";
const TIMEOUT_MS = 10_000;

/** Mounts `directory`. @returns the session's fd. @throws UserError with what fusermount3 said */
export function mountWithFusermount(directory: string, options: FuseMountOptions): number {
  const words = [
    options.readOnly ? "ro" : "rw",
    "nosuid",
    "nodev",
    `fsname=${escapeOption(options.source ?? "kmemfs")}`,
    "subtype=kmemfs",
    ...kernelOptions(options),
  ];
  const pair = unixSocketPair();
  if (typeof pair === "number") throw new UserError("a socket pair", "cannot be created", { code: errnoName(pair) });
  const [ours, theirs] = pair;
  try {
    const child = runFusermount(["-o", words.join(","), "--", directory], theirs);
    if (child.status !== 0) throw fusermountError(directory, child);
    const message = new UnixMessage().receive(ours);
    if (typeof message !== "number" && message.fds.length === 1) return message.fds[0];
    const code = errnoName(typeof message === "number" ? message : EIO);
    throw new UserError(`mount ${directory}`, "fusermount3 sent no file descriptor", { code });
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/** @returns 0 or a positive errno guessed from what fusermount3 said */
export function unmountWithFusermount(directory: string, lazy: boolean): Errno {
  const child = runFusermount(["-u", ...(lazy ? ["-z"] : []), "--", directory]);
  if (child.status === 0) return 0;
  const said = child.stderr ?? "";
  if (/busy/i.test(said)) return EBUSY;
  return /not found|not mounted|invalid/i.test(said) ? EINVAL : EPERM;
}

type Child = ReturnType<typeof runSync>;

/** Has a time limit, as it must never wait for a mount of ours. */
function runFusermount(args: readonly string[], inheritedFd?: number): Child {
  return runSync(FUSERMOUNT, args, { timeoutMs: TIMEOUT_MS, inheritedFd, env: { _FUSE_COMMFD: "3" } });
}

/** fusermount3 splits its options at commas; a backslash keeps one (fuse3's extract_fsname). */
function escapeOption(value: string): string {
  return value.replace(/[\\,]/g, "\\$&");
}

/** What fusermount3 says, and what that means. */
const SAID: readonly (readonly [said: RegExp, code: string, reason: string, cure: string])[] = [
  [
    /user_allow_other/,
    "EPERM",
    "users may not use allow_other",
    "add user_allow_other to /etc/fuse.conf, or mount without allow_other",
  ],
  [
    /open \/dev\/fuse: Permission denied/,
    "EACCES",
    "users may not open /dev/fuse",
    "chmod 666 /dev/fuse as root, or run as root",
  ],
];

function fusermountError(directory: string, child: Child): UserError {
  const what = `mount ${directory}`;
  const code = (child.error as NodeJS.ErrnoException | undefined)?.code;
  const cure = "apt install fuse3, or run as root";
  if (code === "ENOENT") return new UserError(what, "fusermount3 is not installed", { code, cure });
  if (code === "EACCES") return new UserError(what, "you have no permission to run fusermount3", { code, cure });
  if (code === "ETIMEDOUT")
    return new UserError(what, `fusermount3 did not exit within ${TIMEOUT_MS / 1000} s`, { code });
  const last = (child.stderr ?? "").trim().split("\n").at(-1) ?? "";
  const said = last.replace(/^fusermount3?: /, "");
  const known = SAID.find(([text]) => text.test(said));
  if (known !== undefined) return new UserError(what, known[2], { code: known[1], cure: known[3] });
  const guess = /No such file/.test(said) ? "ENOENT" : /No such device/.test(said) ? "ENODEV" : "EPERM";
  return new UserError(what, said === "" ? "fusermount3 failed" : said, { code: guess });
}
