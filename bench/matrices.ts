/** The tables of what was measured along with the loads: latencies, and CPU time. */
import { derivedRow } from "./derived.js";
import type { Results, RowResult, StageResult } from "./results.js";
import { spreadOf } from "./statistics.js";
import { markdownMatrix, short } from "./table.js";

/** The medians of derived figures of a row on a side, as one cell. */
function cellOf(stage: StageResult, row: RowResult, side: string, names: readonly string[]): string {
  const medians = names.map((name) => {
    const samples = derivedRow(stage, `${row.key}:${name}`)?.samples[side];
    return samples && short(spreadOf(samples.map((sample) => sample.value)).median);
  });
  return medians.includes(undefined) ? "" : medians.join(" / ");
}

function matricesOf(results: Results, title: string, words: string, names: readonly string[]): string[] {
  const tables = results.stages.flatMap((stage) => {
    const lines = markdownMatrix(stage, (row, side) => cellOf(stage, row, side, names));
    return lines.length === 0 ? [] : [`### ${stage.name}: ${stage.title}`, "", ...lines, ""];
  });
  return tables.length === 0 ? [] : [`## ${title}`, "", words, "", ...tables];
}

export function latencyLines(results: Results): string[] {
  const words = "Microseconds, p50 / p99 / p99.9 of a request, as fio has them; medians of the rounds.";
  return matricesOf(results, "Latencies", words, ["p50", "p99", "p999"]);
}

export function cpuLines(results: Results): string[] {
  const words =
    "CPU seconds a GiB / a million requests / a million requests in the side's own processes. The first two are of " +
    "the whole machine, so that kernel threads count, and fio too; medians of the rounds.";
  return matricesOf(results, "CPU time", words, ["cpu-gib", "cpu-million", "process-million"]);
}
