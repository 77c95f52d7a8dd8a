/** What the kernel said since a trial began. Other users of the machine are in the same log. */
import { closeSync, constants, openSync, readSync } from "node:fs";

const RECORD_BYTES = 8192;
/** Of a device that is ours. What a mount and an unmount say has none of these words. */
const COMPLAINT = /error|corrupt|shut ?down|abort|fail|lost|warning|invalid|read-only/i;
/** Of whomever: a bug or a hang of the kernel itself. */
const ALARM = /blocked for more than|\bBUG:|soft lockup|Out of memory|oom-kill/;

export class KernelLog {
  readonly #fd: number;
  readonly #lines: string[] = [];

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** What is said from now on. @throws Error where /dev/kmsg cannot be read */
  static open(): KernelLog {
    const log = new KernelLog(openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK));
    log.forget();
    return log;
  }

  /** What was said so far was about others, who may have had the same loop devices. */
  forget(): void {
    this.#read();
    this.#lines.length = 0;
  }

  /** Complaints about any of `devices` (e.g. `loop3`), and alarms. */
  complaints(devices: readonly string[]): string[] {
    this.#read();
    const isOurs = (line: string): boolean => devices.some((name) => new RegExp(`\\b${name}\\b`).test(line));
    return this.#lines.filter((line) => ALARM.test(line) || (isOurs(line) && COMPLAINT.test(line)));
  }

  /** @throws Error with the complaints, if there are any */
  requireQuiet(devices: readonly string[]): void {
    const found = this.complaints(devices);
    if (found.length > 0) throw new Error(`the kernel says: ${found[0]}\n${found.slice(0, 20).join("\n")}`);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #read(): void {
    const buffer = Buffer.alloc(RECORD_BYTES);
    for (;;) {
      try {
        const length = readSync(this.#fd, buffer, 0, RECORD_BYTES, null);
        // A record: `priority,sequence,microseconds,flags;text`, then lines of keys.
        const record = buffer.toString("utf8", 0, length);
        this.#lines.push((record.split("\n")[0] ?? "").replace(/^[^;]*;/, ""));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // EPIPE: records were overwritten before they were read; the next ones are there.
        if (code === "EPIPE") continue;
        if (code === "EAGAIN") return;
        throw error;
      }
    }
  }
}
