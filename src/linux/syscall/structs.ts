/**
 * Structs of the C library and the kernel under their own names, declared once. A test
 * compares offsets and sizes with the system's headers; `padding…` has no name there.
 */
import { type FieldSpec, type Struct, struct } from "../../base/struct.js";

// sys/socket.h, sys/uio.h, sys/un.h
export const msghdr = struct("msghdr", 56, {
  msg_name: "u64",
  msg_namelen: "u32",
  padding: "u32",
  msg_iov: "u64",
  msg_iovlen: "u64",
  msg_control: "u64",
  msg_controllen: "u64",
  msg_flags: "u32",
  padding2: "u32",
});
export const iovec = struct("iovec", 16, { iov_base: "u64", iov_len: "u64" });
export const cmsghdr = struct("cmsghdr", 16, { cmsg_len: "u64", cmsg_level: "u32", cmsg_type: "u32" });
export const sockaddr_un = struct("sockaddr_un", 110, { sun_family: "u16", sun_path: ["u8", 108] });

// poll.h
export const pollfd = struct("pollfd", 8, { fd: "u32", events: "u16", revents: "u16" });

// signal.h: what the C library turns into the kernel's.
export const sigaction = struct("sigaction", 152, {
  sa_handler: "u64",
  sa_mask: ["u64", 16],
  sa_flags: "u32",
  padding: "u32",
  sa_restorer: "u64",
});

// sys/stat.h; the times are struct statx_timestamp: tv_sec, then tv_nsec.
export const statx = struct("statx", 256, {
  stx_mask: "u32",
  stx_blksize: "u32",
  stx_attributes: "u64",
  stx_nlink: "u32",
  stx_uid: "u32",
  stx_gid: "u32",
  stx_mode: "u16",
  padding: "u16",
  stx_ino: "u64",
  stx_size: "u64",
  stx_blocks: "u64",
  stx_attributes_mask: "u64",
  stx_atime: ["u64", 2],
  stx_btime: ["u64", 2],
  stx_ctime: ["u64", 2],
  stx_mtime: ["u64", 2],
  padding2: ["u64", 16],
});

// linux/fuse.h
export const fuse_backing_map = struct("fuse_backing_map", 16, { fd: "u32", flags: "u32", padding: "u64" });

// linux/loop.h; `info` of struct loop_config is a struct loop_info64.
export const loop_info64 = struct("loop_info64", 232, {
  lo_device: "u64",
  lo_inode: "u64",
  lo_rdevice: "u64",
  lo_offset: "u64",
  lo_sizelimit: "u64",
  lo_number: "u32",
  lo_encrypt_type: "u32",
  lo_encrypt_key_size: "u32",
  lo_flags: "u32",
  lo_file_name: ["u8", 64],
  lo_crypt_name: ["u8", 64],
  lo_encrypt_key: ["u8", 32],
  lo_init: ["u64", 2],
});
export const loop_config = struct("loop_config", 304, {
  fd: "u32",
  block_size: "u32",
  info: ["u8", 232],
  __reserved: ["u64", 8],
});

// linux/fs.h
export const fstrim_range = struct("fstrim_range", 24, { start: "u64", len: "u64", minlen: "u64" });

/** The memory of one struct, read and written by the names of its fields; zeros when it is new. */
export class StructMemory<Fields extends Record<string, FieldSpec>> {
  private readonly view: DataView;

  constructor(
    private readonly struct: Struct<Fields>,
    readonly bytes: Uint8Array = new Uint8Array(struct.sizeBytes),
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, struct.sizeBytes);
  }

  /** A field that is one number, or the first of its numbers. */
  get(field: keyof Fields & string): number {
    const [at, type] = this.place(field);
    if (type === "u64") return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
    return type === "u32" ? this.view.getUint32(at, true) : this.view.getUint16(at, true);
  }

  set(values: { readonly [Field in keyof Fields]?: number }): this {
    for (const [field, value] of Object.entries(values) as [keyof Fields & string, number][]) {
      const [at, type] = this.place(field);
      if (type === "u16") this.view.setUint16(at, value, true);
      else this.view.setUint32(at, value % 2 ** 32, true);
      if (type === "u64") this.view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    }
    return this;
  }

  /** The bytes of a field. */
  bytesOf(field: keyof Fields & string, lengthBytes: number): Uint8Array {
    return this.bytes.subarray(this.struct.offset[field], this.struct.offset[field] + lengthBytes);
  }

  private place(field: keyof Fields & string): readonly [at: number, type: unknown] {
    const spec = this.struct.fields[field];
    return [this.struct.offset[field], typeof spec === "string" ? spec : spec[0]];
  }
}
