/**
 * C struct layouts declared once, as data. Offsets are derived with natural
 * alignment and compared with the stated size, so a typing slip fails at load.
 */
import { assert } from "./assert.js";

export type FieldType = "u8" | "u16" | "u32" | "u64";

const fieldBytes: Readonly<Record<FieldType, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };

/** A field: its type, or the type and number of its elements. */
export type FieldSpec = FieldType | readonly [FieldType, number];

export interface Struct<Fields extends Record<string, FieldSpec>> {
  readonly name: string;
  readonly sizeBytes: number;
  /** Byte offset of each field. */
  readonly offset: { readonly [K in keyof Fields]: number };
  /** Index of each field in 32-bit words; -1 for a field that is not word-aligned. */
  readonly word: { readonly [K in keyof Fields]: number };
  readonly fields: Fields;
}

/**
 * Declares the C struct `name` of `sizeBytes` bytes.
 * @throws AssertionError when the derived size or any hidden padding disagrees.
 */
export function struct<const Fields extends Record<string, FieldSpec>>(
  name: string,
  sizeBytes: number,
  fields: Fields,
): Struct<Fields> {
  const offset: Record<string, number> = {};
  const word: Record<string, number> = {};
  let at = 0;
  for (const [field, spec] of Object.entries(fields)) {
    const type = typeof spec === "string" ? spec : (spec[0] as FieldType);
    const count = typeof spec === "string" ? 1 : (spec[1] as number);
    assert(at % fieldBytes[type] === 0, `struct ${name}: hidden padding before ${field}`);
    offset[field] = at;
    word[field] = at % 4 === 0 ? at / 4 : -1;
    at += fieldBytes[type] * count;
  }
  assert(at === sizeBytes, `struct ${name}: ${at} bytes declared, ${sizeBytes} stated`);
  return { name, sizeBytes, offset, word, fields } as Struct<Fields>;
}
