/** Requests as bytes, built quickly. */
const HEADER_BYTES = 40;

export interface Head {
  readonly opcode: number;
  readonly nodeid: bigint;
  readonly uid?: number;
  readonly unique?: bigint;
  /** How much the stated length is off. */
  readonly wrongBy?: number;
}

export class RequestBuilder {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = HEADER_BYTES;

  constructor(head: Head, bodyBytes: number) {
    this.bytes = new Uint8Array(HEADER_BYTES + bodyBytes);
    this.view = new DataView(this.bytes.buffer);
    this.view.setUint32(0, HEADER_BYTES + bodyBytes + (head.wrongBy ?? 0), true);
    this.view.setUint32(4, head.opcode, true);
    this.view.setBigUint64(8, head.unique ?? 0xf1223344_55667788n, true);
    this.view.setBigUint64(16, head.nodeid, true);
    this.view.setUint32(24, head.uid ?? 1000, true);
    this.view.setUint32(28, head.uid ?? 1000, true);
  }

  u32(value: number): this {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
    return this;
  }

  u64(value: bigint): this {
    this.view.setBigUint64(this.at, value, true);
    this.at += 8;
    return this;
  }

  data(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
    return this;
  }
}

/** A copy that says its own length. */
export function withOwnLength(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (copy.length >= 4) new DataView(copy.buffer).setUint32(0, copy.length, true);
  return copy;
}
