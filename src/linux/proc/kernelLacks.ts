/** The features that an older kernel lacks, and the consequences. */

/** @param release as uname -r @returns one phrase each; null when a mount cannot work at all */
export function kernelLacks(release: string): string[] | null {
  const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  const isOlder = (than: number, thanMinor: number): boolean => (major === than ? minor < thanMinor : major < than);
  if (isOlder(4, 20)) return null;
  return [
    ...(isOlder(5, 2) ? ["a private tmpfs (5.2): use memfd"] : []),
    ...(isOlder(5, 6) ? ["IO_FLUSHER (5.6)"] : []),
    ...(isOlder(5, 14)
      ? ["MADV_POPULATE_WRITE and ZERO_RANGE (5.14): new pages cost more, and zeroing may allocate them"]
      : []),
    ...(isOlder(6, 6) ? ["shared mappings of disk (6.6)"] : []),
    ...(isOlder(6, 9)
      ? ["passthrough and resend (6.9): served mode only, and the death of a server ends the mount"]
      : []),
  ];
}
