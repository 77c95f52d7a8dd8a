/** How many times longer a slow machine may take for everything: KMEMFS_TEST_PATIENCE. */
export const patience = Math.max(1, Number(process.env.KMEMFS_TEST_PATIENCE) || 1);
