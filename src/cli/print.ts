/**
 * All printing: lines, tables, failures. A failure is one line on stderr,
 * `kmemfs: what: cause (ERRNO)`, then `try: …` where there is a cure.
 */
import { fstatSync, openSync, writeSync } from "node:fs";
import { MediaError, UserError } from "../base/errors.js";

export function printLine(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** The stream for errors; not standard error if that is a file that cannot be written. */
let errorFd = 2;

export function printErrorLine(text: string): void {
  if (errorFd === 2) process.stderr.write(`${text}\n`);
  else writeSync(errorFd, `${text}\n`);
}

/** For a process that cannot write files: errors go to standard output or the terminal if standard error is a file. */
export function avoidFiles(): void {
  if (!fstatSync(2).isFile()) return;
  errorFd = fstatSync(1).isFile() ? openSync("/dev/tty", "w") : 1;
}

function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** A reader that closes the pipe (`kmemfs status | head -1`) is no failure. */
export function toleratePipeClose(): void {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners("error").includes(onStreamError)) stream.on("error", onStreamError);
  }
}

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** Least width; for tables whose rows are printed as they happen. */
  readonly minWidth?: number;
}

/** One row, its cells padded to `widths`, without blanks at its end. */
export function formatRow(columns: readonly Column[], widths: readonly number[], cells: readonly string[]): string {
  const padded = columns.map((column, i) => {
    const cell = cells[i] ?? "";
    const width = widths[i] ?? 0;
    return column.right ? cell.padStart(width) : cell.padEnd(width);
  });
  return padded.join("  ").trimEnd();
}

/** Lines of a table with aligned columns, the titles first. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map((column, i) =>
    Math.max(column.minWidth ?? 0, column.title.length, ...rows.map((row) => (row[i] ?? "").length)),
  );
  const titles = columns.map((column) => column.title);
  return [titles, ...rows].map((row) => formatRow(columns, widths, row));
}

/** Text that cannot break the one-line form: control characters become blanks. */
function oneLine(text: string): string {
  let line = "";
  for (const char of text) line += char < " " || char === "\u007f" ? " " : char;
  return line.replace(/ {2,}/g, " ").trim();
}

function systemErrorLine(error: NodeJS.ErrnoException): string {
  // Node's message is `CODE: text, syscall 'path'`.
  const cause = error.message.replace(/^[A-Z0-9]+: /, "").replace(/, [a-z0-9_]+( .*)?$/i, "");
  const what = [error.syscall, error.path].filter((part) => part !== undefined).join(" ");
  return what === "" ? `${cause} (${error.code})` : `${what}: ${cause} (${error.code})`;
}

function messageOf(error: unknown): string {
  if (error instanceof MediaError) return `pool: ${error.message}`;
  if (!(error instanceof Error)) return String(error);
  const isSystems = !(error instanceof UserError) && typeof (error as NodeJS.ErrnoException).code === "string";
  return isSystems ? systemErrorLine(error) : error.message;
}

/** The lines that tell of `error`; with `debug` the stack follows. */
export function failureLines(error: unknown, debug: boolean): string[] {
  const lines = [`kmemfs: ${oneLine(messageOf(error))}`];
  const cure = error instanceof UserError ? error.options.cure : undefined;
  if (cure !== undefined) lines.push(`try: ${oneLine(cure)}`);
  if (debug && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  return lines;
}

/** Prints `error`; returns the exit code it asks for. */
export function printFailure(error: unknown, debug: boolean): number {
  for (const line of failureLines(error, debug)) printErrorLine(line);
  return error instanceof UserError ? error.exitCode : 1;
}
