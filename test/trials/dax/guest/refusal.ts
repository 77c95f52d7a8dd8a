/** A command that must be refused in the manner of kmemfs: one line, and perhaps a cure. */
import { match, notEqual } from "node:assert/strict";
import type { Place } from "../../../support/place.js";
import { SLOW } from "./medium.js";

export async function expectRefusal(place: Place, args: readonly string[], cause: RegExp, cure = /.*/): Promise<void> {
  const { status, stderr } = await place.refused(args, SLOW);
  notEqual(status, 0);
  match(stderr, /^kmemfs: [^\n]+\n(try: [^\n]+\n)?$/);
  const [line = "", help = ""] = stderr.split("\n");
  match(line, cause);
  match(help, cure);
}
