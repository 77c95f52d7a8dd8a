/** The writers of a load, as the trial sees them: processes that stay from one mount to the next. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Place } from "../../support/place.js";
import { Ledger } from "./ledger.js";
import type { Shares } from "./operations.js";
import { within } from "./within.js";

const writerMain = fileURLToPath(new URL("./writerMain.js", import.meta.url));
/** A writer that takes longer hangs. */
const END_MS = 30_000;

export class Load {
  readonly ledger: Ledger;
  readonly #children: ChildProcess[] = [];
  #ends: Promise<string>[] = [];

  /** @param name of the ledger in the place, which must be on tmpfs */
  constructor(
    place: Place,
    name: string,
    readonly writers: number,
    seed: number,
    shares: Shares,
  ) {
    const path = place.path(name);
    this.ledger = new Ledger(path, writers + 1);
    for (let writer = 0; writer < writers; writer++) {
      const args = [writerMain, path, String(writer), String(writers), String(seed), JSON.stringify(shares)];
      const child = spawn(process.execPath, args, { cwd: "/", stdio: ["pipe", "pipe", "inherit"] });
      this.#children.push(child);
      place.cleanup.add(`writer ${child.pid}`, () => child.kill("SIGKILL"));
    }
  }

  /** Number of the trial's own records in the ledger. */
  get trialsOwn(): number {
    return this.writers;
  }

  /** Sets the writers to work on `file`. */
  begin(file: string): void {
    this.ledger.setStopped(false);
    this.#ends = this.#children.map((child) => nextLine(child));
    for (const child of this.#children) child.stdin?.write(`load ${file}\n`);
  }

  /** Resolves when every writer has let go of the file. @returns what ended each, `0` when it was told to */
  async ended(): Promise<string[]> {
    const errnos = await within(END_MS, "the writers to let go", Promise.all(this.#ends));
    return errnos.map((line) => line.replace("ended ", ""));
  }

  stop(): Promise<string[]> {
    this.ledger.setStopped(true);
    return this.ended();
  }

  quit(): void {
    for (const child of this.#children) child.stdin?.end("quit\n");
  }
}

/** The next line of a writer. */
function nextLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("a writer without an output");
  const lines = createInterface({ input: child.stdout });
  const line = new Promise<string>((resolve, reject) => {
    const gone = (): void => reject(new Error(`writer ${child.pid} died`));
    child.once("exit", gone);
    lines.once("line", (text) => {
      child.removeListener("exit", gone);
      lines.close();
      resolve(text);
    });
  });
  line.catch(() => undefined);
  return line;
}
