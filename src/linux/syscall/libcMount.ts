/** System calls on mounts, processes and sockets. Same convention as `foreign.ts`: the result or `-errno`. */
import { closeSync } from "node:fs";
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  SYS_fsconfig,
  SYS_fsmount,
  SYS_fsopen,
  SYS_fspick,
} from "./constants.js";
import { define, defineNumbered } from "./foreign.js";

export const mount = define<[source: string, target: string, type: string, flags: number, data: string]>(
  "int mount(const char *source, const char *target, const char *type, uint64_t flags, const char *data)",
);
export const umount2 = define<[target: string, flags: number]>("int umount2(const char *target, int flags)");
export const prctl = define<[option: number, a2: number, a3: number, a4: number, a5: number]>(
  "int prctl(int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)",
);
/** Stores the two fds as 32-bit integers into `pair` (8 bytes). */
export const socketpair = define<[domain: number, type: number, protocol: number, pair: Uint8Array]>(
  "int socketpair(int domain, int type, int protocol, void *sv)",
);
/** @param msghdr a struct msghdr whose pointers are addresses of mapped memory */
export const recvmsg = define<[fd: number, msghdr: Uint8Array, flags: number]>(
  "int64_t recvmsg(int fd, void *msg, int flags)",
);
/** @param msghdr as for `recvmsg` */
export const sendmsg = define<[fd: number, msghdr: Uint8Array, flags: number]>(
  "int64_t sendmsg(int fd, void *msg, int flags)",
);
export const socket = define<[domain: number, type: number, protocol: number]>(
  "int socket(int domain, int type, int protocol)",
);
/** @param address a packed struct sockaddr of the socket's domain */
export const bind = define<[fd: number, address: Uint8Array, lengthBytes: number]>(
  "int bind(int fd, void *address, unsigned int length)",
);

const fsopen = defineNumbered<[type: string, flags: number]>(SYS_fsopen, "const char *type, uint64_t flags");
export const fsconfig = defineNumbered<
  [fd: number, command: number, key: string | null, value: string | null, aux: number]
>(SYS_fsconfig, "int64_t fd, uint64_t cmd, const char *key, const char *value, int64_t aux");
const fsmount = defineNumbered<[fd: number, flags: number, attributes: number]>(
  SYS_fsmount,
  "int64_t fd, uint64_t flags, uint64_t attr_flags",
);
export const fspick = defineNumbered<[fd: number, path: string, flags: number]>(
  SYS_fspick,
  "int64_t dfd, const char *path, uint64_t flags",
);

/**
 * Mounts a file system that no directory shows.
 * @param options strings of the file system, by name
 * @returns an fd, close-on-exec, or -errno
 */
export function mountDetached(type: string, options: Readonly<Record<string, string>>, attributes: number): number {
  const contextFd = fsopen(type, FSOPEN_CLOEXEC);
  if (contextFd < 0) return contextFd;
  try {
    for (const [name, value] of Object.entries(options)) {
      const result = fsconfig(contextFd, FSCONFIG_SET_STRING, name, value, 0);
      if (result < 0) return result;
    }
    const created = fsconfig(contextFd, FSCONFIG_CMD_CREATE, null, null, 0);
    return created < 0 ? created : fsmount(contextFd, FSMOUNT_CLOEXEC, attributes);
  } finally {
    closeSync(contextFd);
  }
}
