/** System calls on mounts, processes and sockets. Same convention as `libc.ts`: the result or `-errno`. */
import koffi from "koffi";
import { SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_fspick } from "./constants.js";

const library = koffi.load("libc.so.6");
const checked = (result: number): number => (result < 0 ? -koffi.errno() : result);

const c_mount = library.func(
  "int mount(const char *source, const char *target, const char *type, uint64_t flags, const char *data)",
);
const c_umount2 = library.func("int umount2(const char *target, int flags)");
const c_prctl = library.func("int prctl(int option, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)");
const c_socketpair = library.func("int socketpair(int domain, int type, int protocol, void *sv)");
const c_recvmsg = library.func("int64_t recvmsg(int fd, void *msg, int flags)");
const c_sendmsg = library.func("int64_t sendmsg(int fd, void *msg, int flags)");
const c_socket = library.func("int socket(int domain, int type, int protocol)");
const c_bind = library.func("int bind(int fd, void *address, unsigned int length)");
// syscall(2) once for each shape of arguments: it is variadic in C, and all of these travel in registers.
const c_fsopen = library.func("syscall", "int64_t", ["int64_t", "const char *", "uint64_t"]);
const c_fsconfig = library.func("syscall", "int64_t", [
  "int64_t",
  "int64_t",
  "uint64_t",
  "const char *",
  "const char *",
  "int64_t",
]);
const c_fsmount = library.func("syscall", "int64_t", ["int64_t", "int64_t", "uint64_t", "uint64_t"]);
const c_fspick = library.func("syscall", "int64_t", ["int64_t", "int64_t", "const char *", "uint64_t"]);

export const mount = (source: string, target: string, type: string, flags: number, data: string): number =>
  checked(c_mount(source, target, type, flags, data));
export const umount2 = (target: string, flags: number): number => checked(c_umount2(target, flags));
export const prctl = (option: number, a2: number, a3: number, a4: number, a5: number): number =>
  checked(c_prctl(option, a2, a3, a4, a5));
/** Stores the two fds as 32-bit integers into `pair` (8 bytes). */
export const socketpair = (domain: number, type: number, pair: Uint8Array): number =>
  checked(c_socketpair(domain, type, 0, pair));
/** @param msghdr a packed struct msghdr whose pointers are addresses of mapped memory */
export const recvmsg = (fd: number, msghdr: Uint8Array, flags: number): number => checked(c_recvmsg(fd, msghdr, flags));
/** @param msghdr as for `recvmsg` */
export const sendmsg = (fd: number, msghdr: Uint8Array, flags: number): number => checked(c_sendmsg(fd, msghdr, flags));
export const socket = (domain: number, type: number): number => checked(c_socket(domain, type, 0));
/** @param address a packed struct sockaddr of the socket's domain */
export const bind = (fd: number, address: Uint8Array): number => checked(c_bind(fd, address, address.length));

export const fsopen = (type: string, flags: number): number => checked(c_fsopen(SYS_fsopen, type, flags));
export const fsconfig = (fd: number, command: number, key: string | null, value: string | null): number =>
  checked(c_fsconfig(SYS_fsconfig, fd, command, key, value, 0));
export const fsmount = (fd: number, flags: number, attributes: number): number =>
  checked(c_fsmount(SYS_fsmount, fd, flags, attributes));
export const fspick = (fd: number, path: string, flags: number): number =>
  checked(c_fspick(SYS_fspick, fd, path, flags));
