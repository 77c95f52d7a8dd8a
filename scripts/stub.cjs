"use strict";
/*
 * Loads the bundle CODE with the code that V8 made of it before, started as NAME: compiling a bundle takes a process a
 * third of its start. V8 refuses what another version of it made, or other flags; BUILD is the bundle's own hash.
 * A cache is code, and V8 takes a damaged one for good, so it counts only when nobody else could write it and
 * its checksum is right.
 */
const fs = require("node:fs");
const { Script } = require("node:vm");
const { threadId } = require("node:worker_threads");
const { crc32 } = require("node:zlib");

const code = `${__dirname}/CODE.code.cjs`;
const cache = `${__dirname}/NAME.BUILD.${process.version}-${process.arch}.cache`;
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, W_OK } = fs.constants;
const CHECKSUM_BYTES = 4;
/** For its owner alone to write, whatever the umask says. */
const MODE = 0o644;
const OTHERS_WRITE = 0o022;

function load() {
  // A file that is gone is a module that cannot be found: whoever started this process knows that word.
  require.resolve(code);
  const cachedData = read();
  const source = fs.readFileSync(code, "latin1");
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: code,
    cachedData,
  });
  if (cachedData === undefined || script.cachedDataRejected) process.on("exit", () => keep(script));
  script.runInThisContext()(exports, require, module, code, __dirname);
}

/** undefined the first time, where nobody could write it, and for one that does not count. */
function read() {
  let fd = -1;
  try {
    fd = fs.openSync(cache, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const { uid, mode } = fs.fstatSync(fd);
    const isTrusted = [0, process.geteuid(), fs.statSync(code).uid].includes(uid) && (mode & OTHERS_WRITE) === 0;
    if (!isTrusted) return undefined;
    const bytes = fs.readFileSync(fd);
    const end = bytes.length - CHECKSUM_BYTES;
    return bytes.readUInt32LE(end) === crc32(bytes.subarray(0, end)) ? bytes.subarray(0, end) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd >= 0) fs.closeSync(fd);
  }
}

/** With the functions that were called. */
function keep(script) {
  const fresh = cache.replace(/cache$/, `${process.pid}-${threadId}.cache`);
  try {
    fs.accessSync(__dirname, W_OK);
    const data = script.createCachedData();
    const checksum = Buffer.alloc(CHECKSUM_BYTES);
    checksum.writeUInt32LE(crc32(data));
    fs.writeFileSync(fresh, Buffer.concat([data, checksum]), { flag: "wx", mode: MODE });
    fs.renameSync(fresh, cache);
  } catch {
    fs.rmSync(fresh, { force: true });
  }
}

// Node has source maps for what it loads itself.
if (process.sourceMapsEnabled) require(code);
else load();
