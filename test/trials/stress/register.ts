/**
 * Whether the history of one register is linearizable, exactly: just-in-time
 * linearization (Lowe, "Testing for linearizability", 2017).
 *
 * A thread has at most one operation open, so a configuration is the register's
 * value and the set of open operations that have taken place. When an operation
 * ends it must have taken place: each configuration is extended by all sequences
 * of open operations that end with it. Whatever order exists can be made lazy like
 * that (an operation is never put in before some operation's end asks for it), so
 * a history is refused exactly when no order exists: sound and complete, also with
 * values that were written twice, such as the zero of discards. Memory is bounded
 * by the number of threads, not by the length of the history.
 */
import { MAYBE, READ } from "./history.js";

export class Register {
  /** Configurations: values, and masks of the open operations that have taken place, by slot. */
  private values: number[] = [];
  private masks: number[] = [];
  private nextValues: number[] = [];
  private nextMasks: number[] = [];
  private readonly kinds = new Int32Array(8);
  private readonly operands = new Int32Array(8);
  private open = 0;

  start(value: number): void {
    this.values = [value];
    this.masks = [0];
    this.open = 0;
  }

  /** @param slot the thread's number, below 8 */
  begin(slot: number, kind: number, value: number): void {
    this.open |= 1 << slot;
    this.kinds[slot] = kind;
    this.operands[slot] = value;
  }

  /** @returns false when no order explains what the operation of `slot` saw */
  end(slot: number): boolean {
    const kind = this.kinds[slot] as number;
    const operand = this.operands[slot] as number;
    const bit = 1 << slot;
    if (this.open === bit && this.values.length === 1 && this.masks[0] === 0 && kind !== MAYBE) {
      this.open = 0;
      if (kind === READ) return this.values[0] === operand;
      this.values[0] = operand;
      return true;
    }
    this.nextValues = [];
    this.nextMasks = [];
    for (let i = 0; i < this.values.length; i++) this.extend(this.values[i] as number, this.masks[i] as number, bit);
    this.open &= ~bit;
    const { nextValues, nextMasks } = this;
    if (kind === MAYBE) this.dropUntaken(bit);
    this.values = [];
    this.masks = [];
    for (let i = 0; i < nextValues.length; i++) {
      const mask = nextMasks[i] as number;
      if ((mask & bit) !== 0) this.keep(nextValues[i] as number, mask & ~bit);
    }
    return this.values.length > 0;
  }

  /** At the end of all operations. @returns whether the register may hold `value` */
  mayHold(value: number): boolean {
    return this.values.includes(value);
  }

  /** All that can follow from a configuration before the operation `bit` is over. */
  private extend(value: number, mask: number, bit: number): void {
    for (let i = 0; i < this.nextValues.length; i++) {
      if (this.nextValues[i] === value && this.nextMasks[i] === mask) return;
    }
    this.nextValues.push(value);
    this.nextMasks.push(mask);
    if ((mask & bit) !== 0) return;
    for (let slot = 0; slot < 8; slot++) {
      const one = 1 << slot;
      if ((this.open & one) === 0 || (mask & one) !== 0) continue;
      const operand = this.operands[slot] as number;
      if (this.kinds[slot] !== READ) this.extend(operand, mask | one, bit);
      else if (operand === value) this.extend(value, mask | one, bit);
    }
  }

  /** A refused write may also never take place: every configuration without it may stay so. */
  private dropUntaken(bit: number): void {
    for (let i = 0; i < this.values.length; i++) {
      if (((this.masks[i] as number) & bit) !== 0) continue;
      this.nextValues.push(this.values[i] as number);
      this.nextMasks.push((this.masks[i] as number) | bit);
    }
  }

  private keep(value: number, mask: number): void {
    for (let i = 0; i < this.values.length; i++) {
      if (this.values[i] === value && this.masks[i] === mask) return;
    }
    this.values.push(value);
    this.masks.push(mask);
  }
}
