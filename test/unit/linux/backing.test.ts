/** The door: what may be a pool, what is refused and with which cure. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { type Backing, closeBacking } from "../../../src/linux/backing/backing.js";
import { createMemfd } from "../../../src/linux/backing/memfd.js";
import { openBacking } from "../../../src/linux/backing/openBacking.js";
import { createPoolDirectory } from "../../../src/linux/backing/poolDirectory.js";
import { createPoolFile } from "../../../src/linux/backing/poolFile.js";
import { createPrivateTmpfs, resizePrivateTmpfs } from "../../../src/linux/backing/privateTmpfs.js";
import { readMetadata } from "../../../src/linux/backing/readMetadata.js";
import { looksLike, signatureOf } from "../../../src/linux/backing/signature.js";
import { mapBacking, unmapBacking } from "../../../src/linux/memory/mapping.js";
import { libpmem } from "../../../src/linux/syscall/libpmem.js";
import { daxTree, isRoot, userError, withDirectory } from "./support.js";

const readWrite = { readOnly: false };

describe("refusals", () => {
  it("a missing path names format", () => {
    withDirectory((directory) => {
      const error = userError(() => openBacking(`${directory}/none`, readWrite));
      expect(error.options.code).toBe("ENOENT");
      expect(error.options.cure).toContain("kmemfs format");
    });
  });

  it("a symbolic link, a pipe, an empty file, a file that others could write", () => {
    withDirectory((directory) => {
      const path = `${directory}/x`;
      const refusal = (): string => userError(() => openBacking(path, readWrite)).message;
      writeFileSync(`${directory}/file`, new Uint8Array(8192), { mode: 0o600 });
      symlinkSync(`${directory}/file`, path);
      expect(refusal()).toMatch(/symbolic link \(ELOOP\)/);
      rmSync(path);
      execFileSync("mkfifo", [path]);
      expect(refusal()).toMatch(/named pipe \(EINVAL\)/);
      rmSync(path);
      writeFileSync(path, "", { mode: 0o600 });
      expect(refusal()).toMatch(/is empty \(EINVAL\)/);
      closeBacking(openBacking(path, { readOnly: false, forFormat: true }));
      writeFileSync(path, new Uint8Array(8192));
      chmodSync(path, 0o620);
      const error = userError(() => openBacking(path, readWrite));
      expect(error.message).toMatch(/others could write to it \(EPERM\)/);
      expect(error.options.cure).toBe(`chmod 600 ${path}`);
    });
  });

  it("a socket", async () => {
    const path = `/tmp/kmemfs-linux-${process.pid}.sock`;
    const server = createServer().listen(path);
    await once(server, "listening");
    try {
      expect(userError(() => openBacking(path, readWrite)).message).toMatch(/is a socket \(EINVAL\)/);
    } finally {
      server.close();
    }
  });

  it.skipIf(!isRoot)("a block device, another user's file", () => {
    withDirectory((directory) => {
      execFileSync("mknod", [`${directory}/b`, "b", "7", "0"]);
      expect(userError(() => openBacking(`${directory}/b`, readWrite)).message).toMatch(/block device/);
      writeFileSync(`${directory}/f`, new Uint8Array(8192), { mode: 0o600 });
      chownSync(`${directory}/f`, 1234, 1234);
      expect(userError(() => openBacking(`${directory}/f`, readWrite)).message).toMatch(/belongs to user 1234/);
    });
  });

  it("a directory without a pool, and one that is not empty", () => {
    withDirectory((directory) => {
      const path = `${directory}/d`;
      mkdirSync(path, 0o700);
      expect(userError(() => openBacking(path, readWrite)).message).toMatch(
        /holds no pool: meta is missing \(ENOENT\)/,
      );
      writeFileSync(`${path}/other`, "");
      expect(userError(() => createPoolDirectory(path, { metadataPages: 2, dataPages: 8 })).options.code).toBe(
        "EEXIST",
      );
    });
  });

  it("creating over an existing file", () => {
    withDirectory((directory) => {
      writeFileSync(`${directory}/f`, "precious");
      expect(userError(() => createPoolFile(`${directory}/f`, { pageCount: 8 })).options.code).toBe("EEXIST");
      expect(readFileSync(`${directory}/f`, "utf8")).toBe("precious");
    });
  });
});

describe("locks", () => {
  it("a second opening is EBUSY and names the process; readers share", () => {
    withDirectory((directory) => {
      const path = `${directory}/pool`;
      const first = createPoolFile(path, { pageCount: 16 });
      const error = userError(() => openBacking(path, readWrite));
      expect(error.message).toContain(`in use by process ${process.pid} (`);
      expect(error.options.code).toBe("EBUSY");
      closeBacking(first);
      const reader = openBacking(path, { readOnly: true });
      closeBacking(openBacking(path, { readOnly: true }));
      expect(userError(() => openBacking(path, readWrite)).options.code).toBe("EBUSY");
      closeBacking(reader);
      closeBacking(openBacking(path, readWrite));
    });
  });

  it("names the process that has the fd when the one that locked it is gone", async () => {
    const path = `/tmp/kmemfs-linux-lock-${process.pid}`;
    closeBacking(createPoolFile(path, { pageCount: 16 }));
    // flock(1) locks the shell's open file and ends; the shell becomes sleep.
    const child = spawn("sh", ["-c", `exec 9<>${path}; flock -n 9; echo; exec sleep 20`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      await once(child.stdout, "data");
      const error = userError(() => openBacking(path, readWrite));
      expect(error.message).toContain(`in use by process ${child.pid} (`);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
      rmSync(path);
    }
  });
});

describe("facts", () => {
  it("a file and a directory on a disk are durable, on tmpfs volatile", () => {
    withDirectory((directory) => {
      const file = createPoolFile(`${directory}/f`, { pageCount: 100 });
      expect(file).toMatchObject({ kind: "file", layout: "single", pageCount: 100, durable: true, grainPages: 1 });
      expect(fstatSync(file.metaFd).mode & 0o777).toBe(0o600);
      closeBacking(file);
      const split = createPoolDirectory(`${directory}/d`, { metadataPages: 2, dataPages: 98 });
      expect(split).toMatchObject({ layout: "split", pageCount: 100, metaBytes: 8192, dataBytes: 98 * 4096 });
      closeBacking(split);
      expect(statSync(`${directory}/d`).mode & 0o777).toBe(0o700);
      const again = openBacking(`${directory}/d`, { readOnly: true });
      expect(again).toMatchObject({ layout: "split", pageCount: 100, readOnly: true });
      closeBacking(again);
    });
    withDirectory((directory) => {
      const facts = createPoolFile(`${directory}/f`, { pageCount: 4 });
      expect(facts).toMatchObject({ kind: "tmpfs", durable: false });
      closeBacking(facts);
    }, "/dev/shm");
  });

  it("looking at a file that is no pool changes no byte of it, whatever its length", () => {
    for (const place of [undefined, "/dev/shm"]) {
      withDirectory((directory) => {
        for (const length of [1, 100, 4095, 4097, 5000, 8192, 12_289]) {
          const path = `${directory}/${length}`;
          const bytes = new Uint8Array(length).fill(0x41);
          writeFileSync(path, bytes, { mode: 0o600 });
          closeBacking(openBacking(path, { readOnly: false, forFormat: true }));
          expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
        }
      }, place);
    }
  });

  it("sizes are rounded down to pages", () => {
    withDirectory((directory) => {
      writeFileSync(`${directory}/f`, new Uint8Array(10000), { mode: 0o600 });
      const facts = openBacking(`${directory}/f`, readWrite);
      expect([facts.metaBytes, facts.pageCount]).toEqual([8192, 2]);
      closeBacking(facts);
    });
  });

  it.skipIf(!isRoot)("a private tmpfs can be resized while in use, not below what is used", () => {
    const facts = createPrivateTmpfs({ metadataPages: 2, dataPages: 8 });
    const tmpfsFd = facts.tmpfsFd ?? -1;
    writeSync(facts.dataFd, new Uint8Array(8 * 4096));
    expect(resizePrivateTmpfs(tmpfsFd, 20 * 4096)).toBe(0);
    expect(resizePrivateTmpfs(tmpfsFd, 4 * 4096)).toBe(-22);
    closeBacking(facts);
  });

  it("mapping refuses more metadata than there is", () => {
    const facts = createMemfd({ pageCount: 4 });
    expect(userError(() => mapBacking(facts, 5)).options.code).toBe("EINVAL");
    closeBacking(facts);
  });
});

/** A character device in the place of a DAX device. */
function standIn(directory: string): string {
  const node = `${directory}/dax0.0`;
  execFileSync("mknod", ["-m", "600", node, "c", "1", "5"]);
  return node;
}

describe("device DAX", () => {
  it.skipIf(!isRoot)("takes size and alignment from sysfs, never more than whole units", () => {
    withDirectory((directory) => {
      const node = standIn(directory);
      expect(userError(() => openBacking(node, readWrite, directory)).message).toMatch(/not device DAX/);
      daxTree(directory, { size: 7 * 1024 * 1024, align: 2097152 }, "1:5");
      const facts = openBacking(node, readWrite, directory);
      expect(facts).toMatchObject({
        kind: "devdax",
        layout: "single",
        pageCount: 1536,
        durable: libpmem() !== null,
        canPunch: false,
      });
      expect(facts.mapAlignBytes).toBe(2097152);
      closeBacking(facts);
    });
  });

  it.skipIf(!isRoot)("refuses a device in another mode, with the command that changes it", () => {
    withDirectory((directory) => {
      const node = standIn(directory);
      daxTree(directory, { size: 4 * 1024 * 1024 }, "1:5", "kmem");
      for (const options of [readWrite, { readOnly: true }, { readOnly: false, forFormat: true }]) {
        const error = userError(() => openBacking(node, options, directory));
        expect(error.message).toBe(`${node}: is in system-ram mode: the machine uses it as RAM (EBUSY)`);
        expect(error.options.cure).toBe("daxctl reconfigure-device --mode=devdax --force dax0.0");
      }
    });
  });

  it.skipIf(!isRoot)("names another program that has the device open, and lets one in that has locked it", async () => {
    const directory = mkdtempSync("/tmp/kmemfs-linux-");
    const node = standIn(directory);
    daxTree(directory, { size: 4 * 1024 * 1024 }, "1:5");
    const users: ChildProcess[] = [];
    const use = async (script: string): Promise<ChildProcess> => {
      const child = spawn("sh", ["-c", `${script}; echo; exec sleep 20`], { stdio: ["ignore", "pipe", "ignore"] });
      users.push(child);
      await once(child.stdout, "data");
      return child;
    };
    try {
      await use(`exec 9<${node}; flock -s 9`);
      closeBacking(openBacking(node, { readOnly: true }, directory));
      const stranger = await use(`exec 9<${node}`);
      const error = userError(() => openBacking(node, { readOnly: true }, directory));
      expect(error.message).toMatch(new RegExp(`in use by process ${stranger.pid} \\((sh|sleep)\\) \\(EBUSY\\)`));
    } finally {
      for (const child of users) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      rmSync(directory, { recursive: true });
    }
  });

  it("knows a file system on it by what a mapping shows", () => {
    const memfd = createMemfd({ pageCount: 1024 });
    const facts: Backing = { ...memfd, kind: "devdax", mapAlignBytes: 2 * 1024 * 1024 };
    expect(looksLike(facts)).toBeNull();
    writeSync(memfd.metaFd, "\x53\xef", 1080, "latin1");
    expect(looksLike(facts)).toBe("ext2/3/4");
    writeSync(memfd.metaFd, "\0\0", 1080);
    writeSync(memfd.metaFd, "_BHRfS_M", 65600);
    expect(looksLike(facts)).toBe("btrfs");
    closeBacking(memfd);
  });

  it("reads metadata through an aligned mapping", () => {
    const memfd = createMemfd({ pageCount: 1024 });
    const facts: Backing = { ...memfd, kind: "devdax", mapAlignBytes: 2 * 1024 * 1024 };
    const mapping = mapBacking(memfd, 1);
    writeSync(memfd.metaFd, "hello", 5000);
    expect(Buffer.from(readMetadata(facts, 4999, 7)).toString("latin1")).toBe("\0hello\0");
    expect(readMetadata(facts, 1024 * 4096 - 3, 100)).toHaveLength(3);
    unmapBacking(mapping);
    closeBacking(memfd);
  });
});

describe("looksLike", () => {
  const make = (path: string, size: number): void => {
    const fd = openSync(path, "wx", 0o600);
    ftruncateSync(fd, size);
    closeSync(fd);
  };

  const tools = ["mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mkswap", "blkid"];
  const missing = tools.filter(
    (tool) => !["/usr/sbin", "/sbin", "/usr/bin"].some((path) => existsSync(`${path}/${tool}`)),
  );

  it("recognises file systems and swap, by blkid and by the table", (context) => {
    if (missing.length > 0) return context.skip(`not installed: ${missing.join(", ")}`);
    withDirectory((directory) => {
      const seen = (name: string, command: string[]): (string | null)[] => {
        const path = `${directory}/${name}`;
        make(path, 320 * 1024 * 1024);
        if (command.length > 0) execFileSync(command[0], [...command.slice(1), path], { stdio: "ignore" });
        const facts = openBacking(path, readWrite);
        const result = [looksLike(facts), signatureOf(readMetadata(facts, 0, 65664))];
        closeBacking(facts);
        return result;
      };
      expect(seen("blank", [])).toEqual([null, null]);
      expect(seen("ext4", ["mkfs.ext4", "-q", "-F"])).toEqual(["ext4", "ext2/3/4"]);
      expect(seen("xfs", ["mkfs.xfs", "-q", "-f"])).toEqual(["xfs", "xfs"]);
      expect(seen("btrfs", ["mkfs.btrfs", "-q", "-f"])).toEqual(["btrfs", "btrfs"]);
      expect(seen("swap", ["mkswap"])).toEqual(["swap", "swap"]);
    });
  });
});
