/** The process of `call.ts`: makes the calls of its arguments and prints their outcomes as JSON. */
import { ASKER_NAME } from "../linux/proc/mountUsers.js";
import { type Call, makeHere } from "./kernelCalls.js";

const [, , what = "kmemfs", words = "[]"] = process.argv;
const calls = JSON.parse(words) as Call[];
if (calls.every(({ act }) => act === "loop-backing")) process.title = ASKER_NAME;
process.stdout.write(JSON.stringify(makeHere(what, calls)));
