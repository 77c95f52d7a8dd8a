/**
 * Mounting as a user: the set-uid fusermount3 opens /dev/fuse, mounts, and
 * sends the fd over the socket named by _FUSE_COMMFD (SCM_RIGHTS, unix(7)).
 */
import { closeSync } from "node:fs";
import { writeU64 } from "../../base/bytes.js";
import { EBUSY, EINVAL, EIO, EPERM, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import type { Errno } from "../../base/units.js";
import { runSync } from "../process/command.js";
import { allocateBuffer } from "../syscall/buffers.js";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../syscall/constants.js";
import { recvmsg, socketpair } from "../syscall/libcMount.js";
import { type FuseMountOptions, kernelOptions } from "./fuseMountOptions.js";

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
  const pair = new Int32Array(2);
  const result = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, new Uint8Array(pair.buffer));
  if (result < 0) throw new UserError("a socket pair", "cannot be created", { code: errnoName(-result) });
  try {
    const child = runFusermount(["-o", words.join(","), "--", directory], pair[1]);
    if (child.status !== 0) throw fusermountError(directory, child);
    return receiveFd(pair[0], directory);
  } finally {
    closeSync(pair[0]);
    closeSync(pair[1]);
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

/** One message with one fd: struct msghdr (56 bytes), struct iovec, one byte of data, struct cmsghdr with an int. */
function receiveFd(socketFd: number, directory: string): number {
  const buffer = allocateBuffer(4096);
  const words = new Uint32Array(buffer.bytes);
  const IOVEC = 64;
  const DATA = 96;
  const CONTROL = 128;
  const CONTROL_BYTES = 24;
  writeU64(words, 4, buffer.address + IOVEC); // msg_iov
  writeU64(words, 6, 1); // msg_iovlen
  writeU64(words, 8, buffer.address + CONTROL); // msg_control
  writeU64(words, 10, CONTROL_BYTES); // msg_controllen
  writeU64(words, IOVEC / 4, buffer.address + DATA);
  writeU64(words, IOVEC / 4 + 2, 1);
  const result = recvmsg(socketFd, new Uint8Array(buffer.bytes, 0, 56), MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  const control = CONTROL / 4;
  if (result > 0 && words[control + 2] === SOL_SOCKET && words[control + 3] === SCM_RIGHTS) return words[control + 4];
  throw new UserError(`mount ${directory}`, "fusermount3 sent no file descriptor", {
    code: errnoName(result < 0 ? -result : EIO),
  });
}

/** fusermount3 splits its options at commas; a backslash keeps one (fuse3's extract_fsname). */
function escapeOption(value: string): string {
  return value.replace(/[\\,]/g, "\\$&");
}

function fusermountError(directory: string, child: Child): UserError {
  const what = `mount ${directory}`;
  const failure = (child.error as NodeJS.ErrnoException | undefined)?.code;
  if (failure === "ENOENT" || failure === "EACCES")
    return new UserError(
      what,
      failure === "ENOENT" ? "fusermount3 is not installed" : "you have no permission to run fusermount3",
      {
        code: failure,
        cure: "apt install fuse3, or run as root",
      },
    );
  if (failure === "ETIMEDOUT")
    return new UserError(what, `fusermount3 did not exit within ${TIMEOUT_MS / 1000} s`, { code: failure });
  const said =
    (child.stderr ?? "")
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^fusermount3?: /, "") ?? "";
  if (/user_allow_other/.test(said))
    return new UserError(what, "users may not use allow_other", {
      code: "EPERM",
      cure: "add user_allow_other to /etc/fuse.conf, or mount without allow_other",
    });
  if (/open \/dev\/fuse: Permission denied/.test(said))
    return new UserError(what, "users may not open /dev/fuse", {
      code: "EACCES",
      cure: "chmod 666 /dev/fuse as root, or run as root",
    });
  const code = /No such file/.test(said) ? "ENOENT" : /No such device/.test(said) ? "ENODEV" : "EPERM";
  return new UserError(what, said === "" ? "fusermount3 failed" : said, { code });
}
