/** The row of a database in one file. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../sides/side.js";
import type { Row } from "./row.js";
import { emptied, inWorkDirectory, run, seconds } from "./workDirectory.js";

/** Transactions a sample; each ends with what makes it durable. */
const INSERTS = 1000;

function insertScript(bench: Bench, isCompressible = false): string {
  const script = join(bench.place.ram, "inserts.sql");
  const words = isCompressible ? "hex(randomblob(50)) || printf('%100s', '')" : "hex(randomblob(100))";
  const insert = `INSERT INTO notes (words) VALUES (${words});\n`;
  const setUp = "PRAGMA synchronous=FULL;\nCREATE TABLE notes (id INTEGER PRIMARY KEY, words TEXT);\n";
  writeFileSync(script, setUp + insert.repeat(INSERTS));
  return script;
}

export const sqliteRow: Row = {
  name: "sqlite-insert",
  title: "SQLite inserts, a transaction each, synchronous=FULL",
  unit: "1/s",
  isQuick: true,
  needs: { sqlite3: "sqlite3" },
  prepare: emptied,
  measure: (side, bench) =>
    inWorkDirectory(side, bench, async (directory) => {
      const script = insertScript(bench, side.isCompressible);
      const taken = await seconds(() => run("sqlite3", [join(directory, "notes.db"), `.read ${script}`], bench));
      return { value: INSERTS / taken };
    }),
};
