/** What every trial takes on its command line: `--count N`, `--seed N`, and switches of its own. */
import { parseArgs } from "node:util";

export interface TrialArguments {
  /** How much is done; what is counted the trial says. */
  readonly count: number;
  readonly seed: number;
  /** The other switches, by name; those without a value are "". */
  readonly more: Readonly<Record<string, string>>;
}

/** @param defaultCount what is done without `--count` @throws Error for nonsense */
export function trialArguments(defaultCount: number, args: readonly string[] = process.argv.slice(2)): TrialArguments {
  const { values } = parseArgs({ args: [...args], strict: false, allowPositionals: false });
  const more: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) more[name] = typeof value === "string" ? value : "";
  const count = more.count === undefined ? defaultCount : Number(more.count);
  const seed = more.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(more.seed);
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`--count ${more.count} is no number`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${more.seed} is no number`);
  return { count, seed: seed >>> 0, more };
}
