/** The log of a holder whose reader is slow: a pipe that does not block, and is full. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { logTo } from "../../../src/daemon/holder/log.js";

const MORE_THAN_A_PIPE = "x".repeat(1 << 20);
let directory = "";
let [reader, writer] = [-1, -1];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-log-"));
  const path = join(directory, "pipe");
  execFileSync("mkfifo", [path]);
  reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
});

afterEach(() => {
  for (const fd of [reader, writer]) closeSync(fd);
  rmSync(directory, { recursive: true });
});

function readAll(): string {
  const buffer = Buffer.alloc(1 << 20);
  let text = "";
  try {
    for (;;) text += buffer.toString("utf8", 0, readSync(reader, buffer));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("EAGAIN");
    return text;
  }
}

it("a line that could not be written whole does not spoil the next one, and ends nothing", () => {
  const log = logTo(writer);
  log.info({ a: 1 }, "first");
  log.warn({}, MORE_THAN_A_PIPE);
  log.error({}, "lost as a whole: nobody has read yet");
  const torn = readAll();
  expect(torn.endsWith("x")).toBe(true);
  log.info({ a: 2 }, "second");
  log.info({ a: 3 }, "third");
  const lines = (torn + readAll()).split("\n");
  expect(lines.at(-1)).toBe("");
  const whole = lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as { msg: string });
  expect(whole.map(({ msg }) => msg)).toEqual(["first", "second", "third"]);
});
