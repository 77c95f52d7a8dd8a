/** Shows the progress of a long operation on one line of a terminal. */

/** A shorter operation shows no progress. */
const SILENT_MS = 1_000;
const STEP_MS = 100;
const BAR = 30;

export interface Progress {
  show(done: number, total: number): void;
  /** Removes the line before other output and at the end. */
  clear(): void;
}

export function progressBar(what: string): Progress {
  const startMs = Date.now();
  let shownMs = 0;
  let isShown = false;
  return {
    show(done, total) {
      if (!process.stderr.isTTY) return;
      const nowMs = Date.now();
      if (nowMs - startMs < SILENT_MS || nowMs - shownMs < STEP_MS) return;
      shownMs = nowMs;
      isShown = true;
      process.stderr.write(`\r${progressText(what, done, total)}`);
    },
    clear() {
      if (isShown) process.stderr.write("\r\u001b[K");
      isShown = false;
    },
  };
}

export function progressText(what: string, done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(share * BAR);
  return `${what} [${"#".repeat(full)}${" ".repeat(BAR - full)}] ${Math.floor(share * 100)} %`;
}
