/** Bytes of the wire, written by hand: lines of hex in the order of the struct's fields, little-endian. */

/** The unique of all requests below: all 64 bits of it must come back. */
export const UNIQUE = "88 77 66 55 44 33 22 f1";

/** Bytes from lines of hex; spaces are for the reader. @throws Error when a line is not hex */
export function wire(...lines: readonly string[]): Uint8Array {
  const text = lines.join("").replaceAll(" ", "");
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error(`not bytes of hex: ${text}`);
  return Uint8Array.from(Buffer.from(text, "hex"));
}

/** `count` bytes of `value` as a line of hex. */
export function fill(count: number, value = 0): string {
  return value.toString(16).padStart(2, "0").repeat(count);
}

/** A 32-bit field as a line of hex. */
export function u32(value: number): string {
  return u64(BigInt(value >>> 0)).slice(0, 8);
}

/** A 64-bit field as a line of hex; what is above 2^64 is cut off. */
export function u64(value: number | bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes.toString("hex");
}

/** A whole request: the header and the lines of its body. */
export function request(opcode: number, nodeid: number | bigint, ...body: readonly string[]): Uint8Array {
  return requestFrom({ opcode, nodeid }, ...body);
}

export interface Header {
  readonly opcode: number;
  readonly nodeid: number | bigint;
  readonly uid?: number;
  readonly gid?: number;
  readonly unique?: bigint;
}

/** Like `request`, for a caller or a unique of one's own. */
export function requestFrom(header: Header, ...body: readonly string[]): Uint8Array {
  const bodyBytes = wire(...body);
  return wire(
    u32(40 + bodyBytes.length), // len
    u32(header.opcode), // opcode
    header.unique === undefined ? UNIQUE : u64(header.unique), // unique
    u64(header.nodeid), // nodeid
    u32(header.uid ?? 1000), // uid
    u32(header.gid ?? 1000), // gid
    "07 00 00 00", // pid: 7
    "00 00", // total_extlen
    "00 00", // padding
    Buffer.from(bodyBytes).toString("hex"),
  );
}

/** A whole reply that is an error and nothing else. @param error the four bytes of the header's `error` */
export function refusal(error: string): Uint8Array {
  return wire(
    "10 00 00 00", // len: 16
    error, // error
    UNIQUE, // unique
  );
}

/** The reply that says done and nothing else. */
export const DONE = wire(
  "10 00 00 00", // len: 16
  "00 00 00 00", // error: none
  UNIQUE, // unique
);

/** The bytes of `error` in a reply, as the header has them. */
export const MINUS = {
  EPERM: "ff ff ff ff",
  ENOENT: "fe ff ff ff",
  EIO: "fb ff ff ff",
  ENXIO: "fa ff ff ff",
  EACCES: "f3 ff ff ff",
  ENOTDIR: "ec ff ff ff",
  EISDIR: "eb ff ff ff",
  EINVAL: "ea ff ff ff",
  EFBIG: "e5 ff ff ff",
  ENOSPC: "e4 ff ff ff",
  EROFS: "e2 ff ff ff",
  ENAMETOOLONG: "dc ff ff ff",
  ENOSYS: "da ff ff ff",
  EPROTO: "b9 ff ff ff",
  EOPNOTSUPP: "a1 ff ff ff",
} as const;

/** Bytes as lines of eight, which a failed comparison shows well. */
export function shown(bytes: Uint8Array | null): string {
  if (bytes === null) return "no answer";
  const hex = Buffer.from(bytes).toString("hex");
  return (hex.match(/.{1,16}/g) ?? []).map((line) => (line.match(/../g) ?? []).join(" ")).join("\n");
}
