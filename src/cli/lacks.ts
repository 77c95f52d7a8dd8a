/** Says, after a mount, what this kernel cannot do for it. */
import { release } from "node:os";
import { kernelLacks } from "../linux/proc/kernelLacks.js";
import { printLine } from "./print.js";

export function printLacks(): void {
  for (const lack of kernelLacks(release()) ?? []) printLine(`  Linux ${release()} lacks ${lack}`);
}
