/** The signals that end a mount, caught from the construction on. */
export class EndSignals {
  /** The first signal received; further ones have no effect. */
  first: string | null = null;
  private listener: (signal: string) => void = () => {};

  constructor() {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => this.come(signal));
  }

  /** @param listener called for the first signal from now on */
  listen(listener: (signal: string) => void): void {
    this.listener = listener;
  }

  /** The end was refused, so that another signal can ask again. */
  rearm(): void {
    this.first = null;
  }

  private come(signal: string): void {
    if (this.first !== null) return;
    this.first = signal;
    this.listener(signal);
  }
}
