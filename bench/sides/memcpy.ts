/** The machine's memcpy: what a copy of the data costs when nothing else is done. */
import { resolve } from "node:path";
import { command } from "../shell.js";
import type { Side } from "./side.js";

const PROGRAM = resolve("bench/peers/memcpy.js");
const SLACK_MS = 20_000;

/** One thread copies a large buffer, in order, into the same small one: as a read of the disk in blocks does. */
export const memcpy: Side = {
  name: "memcpy",
  title: "memcpy of libc, one thread: blocks of 256 MiB of memory, in order, into one block",
  isPeer: true,
  isYardstick: true,
  needs: {},
  onlyRows: ["read-1m-j1"],
  start: async () => ({
    file: PROGRAM,
    pids: [],
    cleanup: async () => undefined,
    load: async (load, { runtimeMs, signal }) => {
      const args = [PROGRAM, String(load.blockBytes), String(runtimeMs)];
      const said = await command(process.execPath, args, { timeoutMs: runtimeMs + SLACK_MS, signal });
      const { requests, seconds } = JSON.parse(said) as { requests: number; seconds: number };
      const bytes = requests * load.blockBytes;
      const meanUs = (seconds * 1e6) / requests;
      // A mean, which is all that it times, stands for the percentiles.
      const latencies = { p50Us: meanUs, p99Us: meanUs, p999Us: meanUs };
      return { iops: requests / seconds, bytesPerSecond: bytes / seconds, requests, bytes, ...latencies };
    },
  }),
};
