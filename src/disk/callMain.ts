/** The process of `call.ts`: makes the calls of its arguments and prints their outcomes as JSON. */
import { type Call, makeHere } from "./kernelCalls.js";

const [, , what = "kmemfs", calls = "[]"] = process.argv;
process.stdout.write(JSON.stringify(makeHere(what, JSON.parse(calls) as Call[])));
