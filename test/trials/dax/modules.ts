/** Which of a kernel's modules must be loaded, and in which order. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

export interface Module {
  readonly name: string;
  /** The module as insmod takes it. */
  readonly bytes: Buffer;
}

const MOST_BYTES = 64 * 2 ** 20;

/**
 * `wanted`, and what they depend on before them. A name of which there is no file is built
 * into the kernel.
 * @param directory with the `.ko` files, which may be compressed with xz
 */
export function loadOrder(directory: string, wanted: readonly string[]): Module[] {
  const files = new Map<string, string>();
  for (const path of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (/\.ko(\.xz)?$/.test(path)) files.set(nameOf(path), join(directory, path));
  }
  const ordered = new Map<string, Module>();
  const add = (name: string): void => {
    const file = files.get(name);
    if (file === undefined || ordered.has(name)) return;
    const bytes = file.endsWith(".xz") ? unpacked(file) : readFileSync(file);
    for (const needed of dependenciesOf(bytes)) add(needed);
    ordered.set(name, { name, bytes });
  };
  for (const name of wanted) add(name);
  return [...ordered.values()];
}

const nameOf = (path: string): string =>
  basename(path)
    .replace(/\.ko.*$/, "")
    .replaceAll("-", "_");
const unpacked = (file: string): Buffer => execFileSync("xz", ["-dc", file], { maxBuffer: MOST_BYTES });

/** The `depends=` of a module's .modinfo (modinfo(8)). */
function dependenciesOf(bytes: Buffer): string[] {
  const text = /\0depends=([^\0]*)\0/.exec(bytes.toString("latin1"))?.[1] ?? "";
  return text
    .split(",")
    .filter((name) => name !== "")
    .map(nameOf);
}
