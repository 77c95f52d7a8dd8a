/** The two nodes of a mount and the one name in it. */
export const NODE_ROOT = 1;
export const NODE_DISK = 2;

/** "disk" */
export const DISK_NAME = new Uint8Array([0x64, 0x69, 0x73, 0x6b]);
