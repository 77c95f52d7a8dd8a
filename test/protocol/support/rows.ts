/** Rows of a wire test: whole request bytes, whole reply bytes, and what the file is like afterwards. */
import { expect, it } from "vitest";
import { type ServerOptions, WireServer } from "./server.js";
import { shown } from "./wire.js";

export interface Row extends ServerOptions {
  readonly name: string;
  readonly request: Uint8Array;
  /** null: none must come. */
  readonly reply: Uint8Array | null;
  /** What the request must change: `data` (bytes, map or attributes), only the `time`, or, unless given, nothing. */
  readonly changes?: "data" | "time";
  readonly after?: (server: WireServer) => void;
}

/** One test a row. Each request is sent twice: the second time must change nothing more. */
export function testRows(rows: readonly Row[]): void {
  it.each(rows.map((row) => [row.name, row] as const))("%s", (_name, row) => {
    const server = new WireServer(row);
    const before = server.state();
    const changesBefore = server.changes;
    expect(shown(server.send(row.request))).toBe(shown(row.reply));
    const after = server.state();
    if (row.changes === "data") expect(after).not.toEqual(before);
    else expect(after).toEqual(before);
    if (row.changes === undefined) expect(server.changes).toBe(changesBefore);
    row.after?.(server);
    server.send(row.request);
    expect(server.state()).toEqual(after);
  });
}
