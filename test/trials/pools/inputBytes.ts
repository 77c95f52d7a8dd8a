/** An input, read from its beginning; behind its end it is zeros, so that every string of bytes says something. */
export class InputBytes {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  u8(): number {
    return this.at < this.bytes.length ? (this.bytes[this.at++] as number) : 0;
  }

  u16(): number {
    return this.u8() + 256 * this.u8();
  }

  /** Unsigned. */
  u32(): number {
    return this.u16() + 65536 * this.u16();
  }

  /** An integer in [0, below), below at most 65536. */
  below(below: number): number {
    return (below <= 256 ? this.u8() : this.u16()) % below;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}
