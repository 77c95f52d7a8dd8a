/** What every trial takes on its command line: `--count N`, `--seed N`, and switches of its own. */
export interface TrialArguments {
  /** How much is done; what is counted the trial says. */
  readonly count: number;
  readonly seed: number;
  /** The other switches, by name; those without a value are "". */
  readonly more: Readonly<Record<string, string>>;
}

/** @param defaultCount what is done without `--count` @throws Error for nonsense */
export function trialArguments(defaultCount: number, args: readonly string[] = process.argv.slice(2)): TrialArguments {
  const more = switches(args);
  const count = more.count === undefined ? defaultCount : Number(more.count);
  const seed = more.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(more.seed);
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`--count ${more.count} is no number`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${more.seed} is no number`);
  return { count, seed: seed >>> 0, more };
}

/** `--name`, `--name value` or `--name=value`. parseArgs takes the value for a positional when the name is not declared. */
function switches(args: readonly string[]): Record<string, string> {
  const more: Record<string, string> = {};
  for (let i = 0; i < args.length; i++) {
    const [, name, value] = /^--([a-zA-Z][\w-]*)(?:=(.*))?$/s.exec(args[i] as string) ?? [];
    if (name === undefined) throw new Error(`${args[i]} is no switch`);
    const next = args[i + 1];
    if (value !== undefined) more[name] = value;
    else more[name] = next === undefined || next.startsWith("--") ? "" : (args[++i] as string);
  }
  return more;
}
