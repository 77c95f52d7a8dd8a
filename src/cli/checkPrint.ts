/** The output of check: lines of text, or one JSON document written as findings are made. */
import { writeSync } from "node:fs";
import { pagesToBytes } from "../base/units.js";
import type { CheckSummary } from "../pool/check.js";
import type { Finding } from "../pool/findings.js";
import { formatBytes } from "./sizes.js";

/** More are counted, not printed; `-J` has all. */
export const MAX_PRINTED = 20;
const BUFFER_CHARS = 64 * 1024;

/** Waits for a slow reader, so that memory stays bounded however much is written. */
export class Output {
  private text = "";

  line(text: string): void {
    this.text += `${text}\n`;
    if (this.text.length >= BUFFER_CHARS) this.flush();
  }

  flush(): void {
    const bytes = Buffer.from(this.text);
    this.text = "";
    for (let done = 0; done < bytes.length; ) {
      try {
        done += writeSync(1, bytes, done);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EPIPE") return;
        if (code !== "EAGAIN") throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      }
    }
  }
}

export interface CheckPrinter {
  finding(finding: Finding): void;
  end(summary: CheckSummary): void;
}

export function linePrinter(path: string, print: (line: string) => void): CheckPrinter {
  let count = 0;
  return {
    finding({ message }) {
      if (++count <= MAX_PRINTED) print(message);
    },
    end(summary) {
      if (count > MAX_PRINTED) print(`and ${count - MAX_PRINTED} more`);
      print(summaryLine(path, summary));
    },
  };
}

export function summaryLine(path: string, { state, usedPages, findingCount: count }: CheckSummary): string {
  const verdict = count === 0 ? "no errors" : count === 1 ? "1 error" : `${count} errors`;
  return `${path}: ${state}, ${formatBytes(pagesToBytes(usedPages))} used, ${verdict}`;
}

/** Prints nothing before the first finding: a pool that cannot be read has no document. */
export function jsonPrinter(path: string, print: (line: string) => void): CheckPrinter {
  let count = 0;
  const begin = (): void => {
    if (count > 0) return;
    print(`{"path": ${JSON.stringify(path)},`);
    print(` "findings": [`);
  };
  // The comma stands before each but the first: which is the last is known only afterwards.
  return {
    finding(finding) {
      begin();
      print(`  ${count++ === 0 ? "" : ","}${JSON.stringify(finding)}`);
    },
    end(summary) {
      begin();
      print(" ],");
      print(` ${JSON.stringify(summary).slice(1)}`);
    },
  };
}
