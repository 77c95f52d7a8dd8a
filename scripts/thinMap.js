/** Source maps that name files and lines of ours alone: columns, names and packages are four fifths of one. */
import { decode, encode } from "@jridgewell/sourcemap-codec";

/** No shorter run of code has a call, `f()` and what ends it, so that a stack trace could point there. */
const LEAST_COLUMNS = 4;

/** What `mappings` of a line say, one for each run of code from one line of ours; what is a package's has no source. */
function runsOf(mappings, isOurs) {
  const runs = [];
  for (const [column, source, line] of mappings) {
    const run = isOurs[source] ? [column, source, line, 0] : [column];
    const before = runs.at(-1) ?? [];
    if (runs.length === 0 || run[1] !== before[1] || run[2] !== before[2]) runs.push(run);
  }
  return runs;
}

/** @param text of a source map */
export function thinMap(text) {
  const { sources, mappings } = JSON.parse(text);
  const isOurs = sources.map((source) => !source.includes("node_modules/"));
  const thin = decode(mappings).map((line) => {
    const runs = runsOf(line, isOurs);
    return runs.filter(([column], i) => (runs[i + 1]?.[0] ?? Number.POSITIVE_INFINITY) - column >= LEAST_COLUMNS);
  });
  return JSON.stringify({ version: 3, sources, names: [], mappings: encode(thin) });
}
