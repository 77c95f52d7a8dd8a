/** Time limits and pauses of the trials. */
import { patience } from "../../support/patience.js";

/** `promise`, or an error that names `what` after `timeoutMs`, on a slow machine after longer. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  const limitMs = patience * timeoutMs;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain for ${what}`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const pause = (timeMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, timeMs));
