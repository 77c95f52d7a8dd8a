/**
 * Where a server is killed at an exact system call, without a word of that in the
 * program. Node starts its children by `process.execPath`; a script that Node is told
 * to load before kmemfs makes that a shell script of ours. It runs a server under
 * strace when there is a plan for one, and anything else as it is. strace counts the calls
 * of each name in each thread; the first thread that gets so far ends the process, before
 * the call is made.
 */
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import type { Place } from "../../support/place.js";
import { type RunOptions, type RunResult, run } from "../../support/processes.js";
import { kmemfsMain } from "../failover/kmemfs.js";

const TRACE_MS = 60_000;

/** The call that a process does not survive: of the name (a list of names: of each), and which of them. */
export interface Death {
  readonly call: string;
  readonly number: number;
}

const traceTo = (path: string): string => `-o ${path} -s 0`;
export const injection = ({ call, number }: Death): readonly [string, string] => [
  "-e",
  `inject=${call}:signal=SIGKILL:when=${number}`,
];

export class Stage {
  readonly #plan: string;
  readonly #preload: string;

  constructor(place: Place) {
    this.#plan = place.path("plan");
    this.#preload = place.path("preload.cjs");
    const wrapper = place.path("server-wrapper");
    const lines = [
      "#!/bin/sh",
      'case "$*" in */dist/server.cjs*)',
      `  if [ -e '${this.#plan}' ]; then`,
      `    plan=$(cat '${this.#plan}'); rm '${this.#plan}'`,
      // The tracer is no parent of the server: holder and server know each other as ever.
      `    exec strace -D -f $plan '${process.execPath}' "$@"`,
      "  fi ;;",
      // Our processes do not hand NODE_OPTIONS on, and it is the holder that starts servers.
      `*/dist/holder.cjs*) set -- '--require=${this.#preload}' "$@" ;;`,
      "esac",
      `exec '${process.execPath}' "$@"`,
    ];
    writeFileSync(wrapper, `${lines.join("\n")}\n`);
    chmodSync(wrapper, 0o700);
    writeFileSync(this.#preload, `process.execPath = ${JSON.stringify(wrapper)};\n`);
  }

  /** The next server that is started dies so. */
  plan(death: Death): void {
    writeFileSync(this.#plan, ["-o /dev/null", ...injection(death)].join(" "));
  }

  /** The next server that is started is written down. @param path of what strace says */
  record(path: string): void {
    writeFileSync(this.#plan, traceTo(path));
  }

  /** True as long as no server has been started since `plan`. */
  get isPlanned(): boolean {
    return existsSync(this.#plan);
  }

  forget(): void {
    rmSync(this.#plan, { force: true });
  }

  /** kmemfs whose servers can be killed by a plan. */
  kmemfs(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const env = { NODE_OPTIONS: `--require=${this.#preload}` };
    return run(process.execPath, [kmemfsMain, ...args], { cwd: "/", timeoutMs: TRACE_MS, ...options, env });
  }

  /** kmemfs which itself is killed. @returns 137 for one that was */
  killed(death: Death, args: readonly string[]): Promise<RunResult> {
    const trace = ["-D", "-f", "-o", "/dev/null", ...injection(death)];
    const command = ["strace", ...trace, process.execPath, kmemfsMain, ...args] as const;
    return run(command[0], command.slice(1), { cwd: "/", timeoutMs: TRACE_MS, allowFail: true });
  }
}
