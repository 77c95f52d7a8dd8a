/** A law was broken: what a trial looks for. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** @throws Violation when `condition` is false */
export function demand(condition: boolean, message: () => string): void {
  if (!condition) throw new Violation(message());
}
