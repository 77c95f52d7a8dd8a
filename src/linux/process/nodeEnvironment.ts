/** How our own processes are started. */

/**
 * Their environment. Reading certificates that none of them uses more than doubles the time that
 * Node takes to start (measured: 25 to 70 ms); options for Node are meant for whoever was started with them.
 */
export function nodeEnvironment(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...environment } = process.env;
  return environment;
}

/** Node's arguments for a program of ours, whose stack traces name lines of src/ where ours do (`--debug`). */
export function nodeArguments(program: string): string[] {
  return [...(process.sourceMapsEnabled ? ["--enable-source-maps"] : []), program];
}

/** Of Node, for processes that make little garbage: with V8's own size of the young generation each takes 8 MB more. */
export const SMALL_HEAPS = "--max-semi-space-size=1";
