/**
 * One file, `disk`, in one Buffer, served by fuse-native as well as it can:
 * `node server.cjs DIRECTORY SIZE_BYTES`. Prints "ready"; SIGTERM unmounts.
 */
const Fuse = require("fuse-native");

const [directory, sizeText] = process.argv.slice(2);
const sizeBytes = Number(sizeText);
const data = Buffer.alloc(sizeBytes, 1);

/** libfuse's own options, of which fuse-native offers few: without big_writes a write has 4 KiB, with it 128. */
const OPTIONS = "-obig_writes,max_write=131072,max_read=131072,async_read,attr_timeout=3600,entry_timeout=3600";

class TunedFuse extends Fuse {
  _fuseOptions() {
    return OPTIONS;
  }
}

const ATTRIBUTES = {
  "/": { mode: 0o40700, size: 4096, nlink: 2 },
  "/disk": { mode: 0o100600, size: sizeBytes, nlink: 1, blksize: 4096, blocks: sizeBytes / 512 },
};

/** What is not here, libfuse answers with ENOSYS, and the kernel does not ask again. */
const operations = {
  getattr(path, reply) {
    const attributes = ATTRIBUTES[path];
    if (attributes === undefined) reply(Fuse.ENOENT);
    else reply(0, attributes);
  },
  readdir: (_path, reply) => reply(0, ["disk"]),
  open: (_path, _flags, reply) => reply(0, 1),
  read: (_path, _fd, target, length, offset, reply) => reply(data.copy(target, 0, offset, offset + length)),
  write: (_path, _fd, source, length, offset, reply) => reply(source.copy(data, offset, 0, length)),
};

// Without a time limit no request has a timer of its own.
const fuse = new TunedFuse(directory, operations, { timeout: false });
fuse.mount((error) => {
  if (error) throw error;
  console.log("ready");
});
process.on("SIGTERM", () => fuse.unmount(() => process.exit(0)));
