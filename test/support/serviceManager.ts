/**
 * A stand-in for the service manager: it receives what sd_notify(3) sends, and
 * keeps the fds that come along, by name, as systemd's fd store does. What is
 * stored is handed to the next process by `listenFor`.
 */
import { closeSync, fstatSync, rmSync } from "node:fs";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from "../../src/linux/syscall/constants.js";
import { bind, socket } from "../../src/linux/syscall/libcMount.js";
import { UnixMessage, unixAddress } from "../../src/linux/syscall/unixMessage.js";
import { until } from "./processes.js";

const POLL_MS = 5;

export class StandInManager {
  /** Every message as it came, oldest first. */
  readonly messages: string[] = [];
  private readonly store = new Map<string, number[]>();
  private readonly socketFd: number;
  private readonly message = new UnixMessage();
  private readonly timer: NodeJS.Timeout;

  /** @param address what NOTIFY_SOCKET is set to: a path, or an abstract name after `@` */
  constructor(readonly address: string) {
    this.socketFd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const packed = unixAddress(address);
    const result = packed === null ? -1 : bind(this.socketFd, packed, packed.length);
    if (result < 0) throw new Error(`bind ${address}: ${result}`);
    this.timer = setInterval(() => this.receiveAll(), POLL_MS);
  }

  /** Names of what is stored, sorted; one entry a name. */
  storedNames(): string[] {
    return [...this.store.keys()].sort();
  }

  stored(name: string): readonly number[] {
    return this.store.get(name) ?? [];
  }

  /** Lines that were sent so far, of all messages. */
  lines(): string[] {
    return this.messages.flatMap((message) => message.split("\n"));
  }

  /** Resolves when `line` was sent, after the first `skip` messages. @throws Error at the time-out */
  async waitFor(line: string | RegExp, timeoutMs = 30_000, skip = 0): Promise<void> {
    const isIt = (text: string): boolean => (typeof line === "string" ? text === line : line.test(text));
    const seen = (): boolean => this.messages.slice(skip).some((message) => message.split("\n").some(isIt));
    await until(seen, timeoutMs, `${line} at the notify socket; it had ${JSON.stringify(this.messages.slice(skip))}`);
  }

  /** What a started process inherits: the fds from number 3 on, and their names for LISTEN_FDNAMES. Newest first, as systemd. */
  listenFor(): { readonly fds: number[]; readonly names: string } {
    const entries = [...this.store.entries()].flatMap(([name, fds]) => fds.map((fd) => ({ name, fd }))).reverse();
    return { fds: entries.map(({ fd }) => fd), names: entries.map(({ name }) => name).join(":") };
  }

  /** Receives nothing any more. */
  pause(): void {
    clearInterval(this.timer);
  }

  /** The service is stopped: systemd closes what it stored. */
  drop(): void {
    for (const name of this.storedNames()) this.remove(name);
  }

  close(): void {
    clearInterval(this.timer);
    this.drop();
    closeSync(this.socketFd);
    if (!this.address.startsWith("@")) rmSync(this.address, { force: true });
  }

  private receiveAll(): void {
    for (;;) {
      const received = this.message.receive(this.socketFd);
      if (typeof received === "number") return;
      const { text, fds } = received;
      this.messages.push(text);
      const lines = text.split("\n");
      const name = lines.find((line) => line.startsWith("FDNAME="))?.slice("FDNAME=".length) ?? "stored";
      if (lines.includes("FDSTORE=1")) this.add(name, fds);
      else for (const fd of fds) closeSync(fd);
      if (lines.includes("FDSTOREREMOVE=1")) this.remove(name);
    }
  }

  private add(name: string, fds: readonly number[]): void {
    for (const fd of fds) fstatSync(fd);
    this.store.set(name, [...this.stored(name), ...fds]);
  }

  /** Closes what is stored under `name`. */
  remove(name: string): void {
    for (const fd of this.stored(name)) closeSync(fd);
    this.store.delete(name);
  }
}
