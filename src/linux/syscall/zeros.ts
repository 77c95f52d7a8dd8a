/** The thread's region of zeros: a source for writes of zeros that costs no memory. Made at its first use. */
import { type Address, MIB } from "../../base/units.js";
import { zeroRegion } from "./buffers.js";

export const ZERO_BYTES = MIB;

let address: Address = 0;

/** Address of ZERO_BYTES zeros. */
export function zeros(): Address {
  if (address === 0) address = zeroRegion(ZERO_BYTES);
  return address;
}
