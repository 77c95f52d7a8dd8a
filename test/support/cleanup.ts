/** What a test must undo, last thing first. */

export type Undo = () => unknown;

/**
 * A stack of things to undo. Push right after each thing is made, and hand
 * `run` to `afterEach` or `afterAll`: it undoes everything also when a test, or
 * an earlier undoing, has failed, and reports all failures at the end.
 */
export class Cleanup {
  readonly #stack: { readonly what: string; readonly undo: Undo }[] = [];

  /** @param what named when the undoing fails */
  add(what: string, undo: Undo): void {
    this.#stack.push({ what, undo });
  }

  /** @throws AggregateError of all that failed, after everything was tried */
  readonly run = async (): Promise<void> => {
    const failures: Error[] = [];
    for (let entry = this.#stack.pop(); entry !== undefined; entry = this.#stack.pop()) {
      try {
        await entry.undo();
      } catch (cause) {
        failures.push(new Error(`undoing ${entry.what}: ${(cause as Error).message}`, { cause }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map((failure) => failure.message).join("; "));
  };
}
