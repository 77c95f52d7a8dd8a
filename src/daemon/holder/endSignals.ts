/** The signals that ask for the end of a mount, from the moment that this is made. */
export class EndSignals {
  /** The first that came; further ones change nothing. */
  first: string | null = null;
  private listener: (signal: string) => void = () => {};

  constructor() {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => this.come(signal));
  }

  /** @param listener told of the first that comes from now on */
  listen(listener: (signal: string) => void): void {
    this.listener = listener;
  }

  /** The end was refused: another signal asks again. */
  rearm(): void {
    this.first = null;
  }

  private come(signal: string): void {
    if (this.first !== null) return;
    this.first = signal;
    this.listener(signal);
  }
}
