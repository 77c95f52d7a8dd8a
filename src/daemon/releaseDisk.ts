/** Lets go of what lies on a disk's file: file systems and loop devices. */
export async function releaseDisk(_file: string): Promise<string[]> {
  return [];
}
