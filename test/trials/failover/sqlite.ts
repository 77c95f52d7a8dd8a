/**
 * SQLite commits with a ledger. One row a transaction; a commit is acknowledged when
 * sqlite3 has answered the statement after it, and is written down, and on the disk
 * of the ledger, before the next one begins.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Place } from "../../support/place.js";
import { run } from "../../support/processes.js";
import { within } from "../load/within.js";

export type Journal = "delete" | "truncate" | "wal";
export const JOURNALS: readonly Journal[] = ["delete", "truncate", "wal"];

const COMMIT_MS = 60_000;
const KILL_MS = 5_000;
const READ_BYTES = 2 ** 28;

/** What the row `id` holds: of all sizes up to a few pages. */
function wordsOf(id: number): string {
  return String(id)
    .padStart(8, "0")
    .repeat(1 + (id % 61) * (id % 17 === 0 ? 32 : 1));
}

export class SqliteLedger {
  /** Commits that were acknowledged so far. */
  commits = 0;
  /** The last row that was sent. */
  #sent = 0;
  #isStopped = false;
  #failure: Error | null = null;
  readonly #child: ChildProcess;
  readonly #ledger: string;
  readonly #ended: Promise<void>;

  /** @param database on the file system under trial. @param name of the ledger in the place */
  constructor(
    place: Place,
    private readonly database: string,
    name: string,
    journal: Journal,
  ) {
    this.#ledger = place.path(name);
    this.#child = spawn("sqlite3", ["-batch", "-bail", database], { cwd: "/", stdio: ["pipe", "pipe", "pipe"] });
    place.cleanup.add(`sqlite3 ${this.#child.pid}`, () => this.#kill());
    this.#ended = this.#commit(journal).catch((error: Error) => {
      this.#failure = error;
    });
  }

  /** @throws Error when a commit failed */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
    this.check();
  }

  /** To be asked on the file system that was mounted again. @throws Error when a commit is missing or wrong */
  async verify(): Promise<number> {
    const acknowledged = readFileSync(this.#ledger, "utf8").split("\n").filter(Boolean).map(Number);
    const script = "PRAGMA integrity_check;\nSELECT id, words FROM notes ORDER BY id;\n";
    const { stdout } = await run("sqlite3", ["-batch", "-bail", this.database], { input: script, cwd: "/" });
    if (stdout.length > READ_BYTES) throw new Error(`${this.database}: ${stdout.length} bytes`);
    const [integrity, ...rows] = stdout.trim().split("\n");
    if (integrity !== "ok") throw new Error(`${this.database}: integrity_check: ${integrity}`);
    const found = new Map(rows.map((row) => [Number(row.split("|")[0]), row.split("|")[1]]));
    for (const id of acknowledged) {
      if (found.get(id) !== wordsOf(id)) throw new Error(`${this.database}: commit ${id} is ${lost(found.get(id))}`);
      found.delete(id);
    }
    // The one that was under way may be there, as a whole.
    for (const [id, words] of found) {
      if (id !== this.#sent || words !== wordsOf(id))
        throw new Error(`${this.database}: row ${id} was never committed`);
    }
    return acknowledged.length;
  }

  async #commit(journal: Journal): Promise<void> {
    const ledger = openSync(this.#ledger, "w");
    const answers = this.#answers();
    try {
      this.#say(`PRAGMA journal_mode=${journal};\nPRAGMA synchronous=FULL;\nPRAGMA wal_autocheckpoint=100;\n`);
      this.#say("CREATE TABLE notes (id INTEGER PRIMARY KEY, words TEXT);\nSELECT 'ready';\n");
      await answers("ready");
      for (let id = 1; !this.#isStopped; id++) {
        this.#sent = id;
        this.#say(`INSERT INTO notes VALUES (${id}, '${wordsOf(id)}');\nSELECT 'committed ${id}';\n`);
        await answers(`committed ${id}`);
        writeSync(ledger, `${id}\n`);
        fsyncSync(ledger);
        this.commits++;
      }
      this.#child.stdin?.end();
      await within(COMMIT_MS, "sqlite3 to end", new Promise((resolve) => this.#child.once("close", resolve)));
    } finally {
      closeSync(ledger);
    }
  }

  #say(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** @returns waits for a line. @throws Error with what sqlite3 says when it ends instead */
  #answers(): (wanted: string) => Promise<void> {
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error("sqlite3 without outputs");
    let said = "";
    let wanted = "";
    let answer: { resolve(): void; reject(error: Error): void } | null = null;
    stderr.on("data", (part: Buffer) => {
      said += part.toString();
    });
    createInterface({ input: stdout }).on("line", (line) => {
      if (line === wanted) answer?.resolve();
    });
    this.#child.once("close", (status) => answer?.reject(new Error(`sqlite3 ends with ${status}: ${said.trim()}`)));
    this.#child.stdin?.on("error", () => undefined);
    return (line) => {
      wanted = line;
      const promise = new Promise<void>((resolve, reject) => {
        answer = { resolve, reject };
      });
      return within(COMMIT_MS, `sqlite3 to say "${line}"`, promise);
    };
  }

  async #kill(): Promise<void> {
    this.#isStopped = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await within(KILL_MS, "sqlite3 to be killed", gone).catch(() => undefined);
  }
}

const lost = (words: string | undefined): string =>
  words === undefined ? "missing" : `changed: ${words.slice(0, 80)}`;
