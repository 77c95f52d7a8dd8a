/** The fields of a request, read without the code that is tried. 64-bit values are exact below 2^53. */
const HEADER_BYTES = 40;

export class RequestView {
  private readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get hasHeader(): boolean {
    return this.bytes.length >= HEADER_BYTES;
  }

  get len(): number {
    return this.view.getUint32(0, true);
  }

  get opcode(): number {
    return this.view.getUint32(4, true);
  }

  get nodeid(): number {
    return this.wide(16);
  }

  get uid(): number {
    return this.view.getUint32(24, true);
  }

  get gid(): number {
    return this.view.getUint32(28, true);
  }

  get bodyBytes(): number {
    return this.bytes.length - HEADER_BYTES;
  }

  /** What follows byte `from` of the body. */
  body(from = 0): Uint8Array {
    return this.bytes.subarray(HEADER_BYTES + from);
  }

  /** The 32-bit field at byte `at` of the body. */
  u32(at: number): number {
    return this.view.getUint32(HEADER_BYTES + at, true);
  }

  /** The 64-bit field at byte `at` of the body. */
  u64(at: number): number {
    return this.wide(HEADER_BYTES + at);
  }

  private wide(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
  }
}
