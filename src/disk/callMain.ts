/** The process of `call.ts`: makes each list of calls that it reads, a line, and prints their outcomes, a line. */
import { readSync, writeSync } from "node:fs";
import { ASKER_NAME } from "../linux/proc/mountUsers.js";
import { koffi } from "../linux/syscall/foreign.js";
import { type Call, makeHere } from "./kernelCalls.js";

interface Input {
  readonly what: string;
  readonly calls: readonly Call[];
}

const PIECE_BYTES = 65_536;
const ownTitle = process.title;

/** The lines of the standard input, each as soon as it is there. */
function* lines(): Generator<string> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  let text = "";
  for (;;) {
    const bytes = readSync(0, piece);
    if (bytes === 0) return;
    text += piece.toString("latin1", 0, bytes);
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield Buffer.from(text.slice(0, end), "latin1").toString("utf8");
      text = text.slice(end + 1);
    }
  }
}

// Without it this process ends, and the calls are made elsewhere; it would be the failure of a call otherwise.
koffi();
for (const line of lines()) {
  const { what, calls } = JSON.parse(line) as Input;
  const title = calls.every(({ act }) => act === "loop-backing") ? ASKER_NAME : ownTitle;
  if (title !== process.title) process.title = title;
  const answer = Buffer.from(`${JSON.stringify(makeHere(what, calls))}\n`);
  for (let done = 0; done < answer.length; ) done += writeSync(1, answer, done);
}
