/** `kmemfs rehome POOL`: moves every block to its home page, as direct mode requires. */
import type { Command } from "commander";
import { MediaError, UserError } from "../base/errors.js";
import { rehomePoolAt } from "../media/checkPool.js";
import type { RehomeReport } from "../pool/rehome.js";
import { poolPath } from "./format.js";
import { printLine } from "./print.js";
import type { Outcome } from "./usage.js";

/** A shorter rehome shows no progress. */
const SILENT_MS = 1_000;

/** What was done, and what keeps the pool from direct mode still. */
export function rehomeLines(path: string, report: RehomeReport): string[] {
  if (report.wasDirect) return [`${path}: was last used in direct mode, so all blocks are on their home pages`];
  const moved = report.moved === 0 ? "no block was moved" : `${counted(report.moved, "was", "were")} moved`;
  const lines = [
    report.away === 0
      ? `${path}: ${moved}, all are on their home pages`
      : `${path}: ${moved}, ${report.away} are not on their home pages`,
  ];
  if (report.away > 0) {
    const others = report.away - report.homeless;
    const held = others === 0 ? "" : `; ${others} wait for the pages that these occupy`;
    lines.push(`${counted(report.homeless, "is", "are")} beyond the size of the pool, with no home page${held}`);
  }
  if (report.thin) lines.push("the pool is thin and cannot be used in direct mode: its disk may outgrow it");
  return lines;
}

function counted(blocks: number, singular: string, plural: string): string {
  return blocks === 1 ? `1 block ${singular}` : `${blocks} blocks ${plural}`;
}

/** Shows the progress on one line of a terminal. */
function progressLine(): { show(moved: number, away: number): void; end(): void } {
  const startMs = Date.now();
  let isShown = false;
  return {
    show(moved, away) {
      if (!process.stderr.isTTY || Date.now() - startMs < SILENT_MS) return;
      process.stderr.write(`\r${moved} of ${away} blocks are on their home pages`);
      isShown = true;
    },
    end() {
      if (isShown) process.stderr.write("\r\u001b[K");
    },
  };
}

async function rehome(pool: string, outcome: Outcome): Promise<void> {
  const path = poolPath("rehome", pool, 2);

  const progress = progressLine();
  const report = await rehomePoolAt(path, { onProgress: progress.show })
    .finally(progress.end)
    .catch((error: unknown) => {
      throw named(path, error);
    });
  for (const line of rehomeLines(path, report)) printLine(line);
  outcome.exitCode = report.away === 0 ? 0 : 1;
}

/** The pool core knows no path. */
function named(path: string, error: unknown): unknown {
  if (error instanceof MediaError) {
    return new UserError(path, `is damaged: ${error.message}`, { code: "EINVAL", cure: `kmemfs check ${path}` });
  }
  return error instanceof UserError && error.what === "pool" ? new UserError(path, error.reason, error.options) : error;
}

export function defineRehome(command: Command, outcome: Outcome): void {
  command
    .description(
      "Moves the blocks of an unmounted pool to their home pages, so that it can be used in direct mode. " +
        "It can be interrupted at any point and run again. Exit codes: 0 all are on their home pages, 1 not all, or failed.",
    )
    .argument("<pool>", "a file, a directory, or /dev/daxX.Y")
    .option("--debug", "show stack traces on errors")
    .action((pool: string) => rehome(pool, outcome));
}
