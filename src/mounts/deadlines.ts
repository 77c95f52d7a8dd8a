/** How long a server may take to close its pool before it is killed, ms. */
export function closeDeadlineMs(durable: boolean, force: boolean): number {
  if (force) return 10_000;
  // Closing a durable pool means flushing it, perhaps to a slow disk.
  return durable ? 300_000 : 20_000;
}
