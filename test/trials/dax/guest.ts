/** A guest: a machine in software (qemu, TCG) with two persistent memories, and two nodes of ordinary memory. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { killGroup } from "../../support/processes.js";
import { within } from "../load/within.js";
import type { Kernel } from "./downloads.js";

export interface Machine {
  readonly kernel: Kernel;
  readonly initrd: string;
  readonly image: string;
  /** Of each of two nodes. */
  readonly nodeMib: number;
  /** Files of the persistent memories; made when they are not there. */
  readonly memories: readonly string[];
  /** Where the guest writes the status of its stage. */
  readonly statusFile: string;
}

const MEMORY_BYTES = 256 * 2 ** 20;
/** What makes an emulated machine slower, and no test of it better, is off; time comes without a device's register, and a timer that is late is none that is missing. */
const KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1 mitigations=off clocksource=tsc tsc=reliable no_timer_check";

/** What a guest says goes to `say`, a line at a time. */
export class Guest {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #machine: Machine;
  #text = "";
  readonly #waiting: { readonly pattern: RegExp; readonly resolve: () => void }[] = [];

  /** Turns a machine on, which runs `stage` and turns itself off. */
  constructor(machine: Machine, stage: string, say: (line: string) => void) {
    this.#machine = machine;
    for (const path of machine.memories) {
      if (existsSync(path)) continue;
      writeFileSync(path, "");
      truncateSync(path, MEMORY_BYTES);
    }
    writeFileSync(machine.statusFile, "");
    this.#child = spawn(
      "setpriv",
      ["--pdeathsig", "KILL", ...machine.kernel.emulator, ...argumentsOf(machine, stage)],
      {
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    this.#exited = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", () => resolve());
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let rest = "";
      stream?.on("data", (chunk: Buffer) => {
        const lines = `${rest}${chunk.toString("utf8").replaceAll("\r", "")}`.split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#hear(line, say);
      });
    }
  }

  /** All that the guest has said. */
  get text(): string {
    return this.#text;
  }

  /** Resolves with the status of the stage when the machine is off. @throws Error at the time-out, or without a status */
  async ended(timeoutMs: number): Promise<number> {
    await within(timeoutMs, "the guest to turn itself off", this.#exited);
    const status = readFileSync(this.#machine.statusFile, "utf8").trim();
    if (!/^\d+$/.test(status)) throw new Error("the guest ended without a status");
    return Number(status);
  }

  /** Resolves when the guest says a line that matches. */
  async says(pattern: RegExp, timeoutMs: number): Promise<void> {
    const said = new Promise<void>((resolve) => this.#waiting.push({ pattern, resolve }));
    const gone = this.#exited.then(() => {
      throw new Error(`the guest ended before it said ${pattern}`);
    });
    gone.catch(() => undefined);
    await within(timeoutMs, `the guest to say ${pattern}`, Promise.race([said, gone]));
  }

  /** As when the power is cut, except that what is in the CPU's caches is not lost. */
  async cut(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) killGroup(pid, "SIGKILL");
    await this.#exited;
  }

  #hear(line: string, say: (line: string) => void): void {
    this.#text += `${line}\n`;
    say(line);
    for (const { pattern, resolve } of this.#waiting) if (pattern.test(line)) resolve();
  }
}

function argumentsOf(machine: Machine, stage: string): string[] {
  const memories = machine.memories.flatMap((path, i) => [
    ...["-object", `memory-backend-file,id=nv${i},share=on,mem-path=${path},size=${MEMORY_BYTES}`],
    // The second node has them: the first is no node's default there.
    ...["-device", `nvdimm,id=nvdimm${i},memdev=nv${i},node=1`],
  ]);
  const nodes = [0, 1].flatMap((node) => [
    ...["-object", `memory-backend-ram,id=ram${node},size=${machine.nodeMib}M`],
    ...["-numa", `node,nodeid=${node},memdev=ram${node},cpus=${node}`],
  ]);
  return [
    ...["-machine", "q35,nvdimm=on", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"],
    ...["-m", `${2 * machine.nodeMib}M,slots=4,maxmem=4G`, ...nodes, ...memories],
    ...["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"],
    ...["-serial", "stdio", "-serial", `file:${machine.statusFile}`],
    ...["-drive", `file=${machine.image},format=raw,if=virtio,snapshot=on`],
    ...["-kernel", machine.kernel.file, "-initrd", machine.initrd],
    ...["-append", `${KERNEL_OPTIONS} kmemfs.stage=${stage}`],
  ];
}
