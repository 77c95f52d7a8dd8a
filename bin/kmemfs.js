#!/usr/bin/env node
"use strict";
const { readFileSync, writeSync } = require("node:fs");
const { basename, join } = require("node:path");

const top = join(__dirname, "..");
/** What is answered before the program is loaded. */
const answers = {
  "--version": () => `kmemfs ${JSON.parse(readFileSync(join(top, "package.json"), "utf8")).version}\n`,
  "--help": () => readFileSync(join(top, "dist/help.txt"), "utf8"),
};
answers["-V"] = answers["--version"];
answers["-h"] = answers["--help"];

function answer([, self, word, ...more]) {
  if (more.length > 0 || !Object.hasOwn(answers, word) || basename(self).startsWith("mount.")) return false;
  try {
    writeSync(1, answers[word]());
    return true;
  } catch (error) {
    // The program says what is wrong.
    return error.code === "EPIPE";
  }
}

if (!answer(process.argv)) {
  if (process.argv.includes("--debug")) process.setSourceMapsEnabled(true);
  require("../dist/kmemfs.cjs");
}
