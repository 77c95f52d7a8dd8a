/** What the server's bundle begins with, as a process and as each of its threads. */
import { isMainThread } from "node:worker_threads";

void (isMainThread ? import("./serverMain.js") : import("./threadMain.js"));
