/** The service manager's protocol, against a real socket that receives fds. */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ECONNREFUSED, EINVAL, ENOENT, ETIMEDOUT } from "../../../src/base/errno.js";
import { type ServiceManager, takeServiceEnvironment } from "../../../src/linux/process/notify.js";
import { MFD_CLOEXEC } from "../../../src/linux/syscall/constants.js";
import { memfd_create } from "../../../src/linux/syscall/libc.js";
import { MOST_FDS, unixAddress } from "../../../src/linux/syscall/unixMessage.js";
import { StandInManager } from "../../support/serviceManager.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-notify-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function managerAt(address: string): ServiceManager {
  const { manager } = takeServiceEnvironment({ NOTIFY_SOCKET: address });
  if (manager === null) throw new Error("no manager");
  return manager;
}

async function withStandIn(
  body: (manager: ServiceManager, standIn: StandInManager) => Promise<void>,
  address = join(directory, "notify"),
): Promise<void> {
  const standIn = new StandInManager(address);
  try {
    await body(managerAt(address), standIn);
  } finally {
    standIn.close();
  }
}

describe("what the manager is told", () => {
  it("comes as one datagram of lines", () =>
    withStandIn(async (manager, standIn) => {
      expect(await manager.notify(["READY=1", "STATUS=served — 1 GiB"])).toBe(0);
      await standIn.waitFor("READY=1");
      expect(standIn.messages).toEqual(["READY=1\nSTATUS=served — 1 GiB"]);
    }));

  it("comes to an abstract socket", () =>
    withStandIn(async (manager, standIn) => {
      expect(await manager.notify(["WATCHDOG=1"])).toBe(0);
      await standIn.waitFor("WATCHDOG=1");
    }, `@kmemfs-test-${process.pid}`));

  it("is refused, not thrown, where nobody listens", async () => {
    const path = join(directory, "gone");
    expect(await managerAt(path).notify(["READY=1"])).toBe(ENOENT);
    expect(await managerAt(`@kmemfs-nobody-${process.pid}`).notify(["READY=1"])).toBe(ECONNREFUSED);
    expect(await managerAt(path).settled(10)).toBe(ENOENT);
  });

  it("has been dealt with when the barrier's fd is closed over there", () =>
    withStandIn(async (manager, standIn) => {
      expect(await manager.notify(["STOPPING=1"])).toBe(0);
      expect(await manager.settled(5_000)).toBe(0);
      expect(standIn.messages).toEqual(["STOPPING=1", "BARRIER=1"]);
    }));

  it("is not waited for longer than asked", () =>
    withStandIn(async (manager, standIn) => {
      standIn.pause();
      expect(await manager.settled(30)).toBe(ETIMEDOUT);
    }));

  it("waits while the queue is full", () =>
    withStandIn(async (manager, standIn) => {
      const sent = Array.from({ length: 600 }, (_, i) => manager.notify([`STATUS=${i}`]));
      expect(new Set(await Promise.all(sent))).toEqual(new Set([0]));
      await standIn.waitFor("STATUS=599");
      expect(standIn.messages).toHaveLength(600);
    }));
});

describe("the fd store", () => {
  it("gets the open file itself, under its name", () =>
    withStandIn(async (manager, standIn) => {
      const fd = memfd_create("stored", MFD_CLOEXEC);
      expect(await manager.storeFds("session", [fd])).toBe(0);
      await standIn.waitFor("FDNAME=session");
      writeSync(fd, "what it holds", 0);
      closeSync(fd);
      const bytes = Buffer.alloc(13);
      readSync(standIn.stored("session")[0], bytes, 0, 13, 0);
      expect(bytes.toString()).toBe("what it holds");
    }));

  it("gets more fds than one message takes", () =>
    withStandIn(async (manager, standIn) => {
      const fds = Array.from({ length: MOST_FDS + 2 }, () => openSync("/dev/null", "r"));
      expect(await manager.storeFds("many", fds)).toBe(0);
      await standIn.waitFor("FDNAME=many", 5_000, 1);
      const message = "FDSTORE=1\nFDNAME=many\nFDPOLL=0";
      expect(standIn.messages).toEqual([message, message]);
      expect(standIn.stored("many")).toHaveLength(MOST_FDS + 2);
      expect(standIn.stored("many").every((fd) => fstatSync(fd).isCharacterDevice())).toBe(true);
      for (const fd of fds) closeSync(fd);
    }));

  it("lets go of a name", () =>
    withStandIn(async (manager, standIn) => {
      await manager.storeFds("a", [0]);
      await manager.storeFds("b", [0, 1]);
      expect(await manager.removeFds("b")).toBe(0);
      expect(await manager.settled(5_000)).toBe(0);
      expect(standIn.storedNames()).toEqual(["a"]);
    }));

  it("refuses a name that systemd would not take", () =>
    withStandIn(async (manager, standIn) => {
      for (const name of ["", "a:b", "a\nFDSTORE=1", "é", "x".repeat(256)]) {
        expect(await manager.storeFds(name, [0])).toBe(EINVAL);
        expect(await manager.removeFds(name)).toBe(EINVAL);
      }
      expect(await manager.settled(5_000)).toBe(0);
      expect(standIn.messages).toEqual(["BARRIER=1"]);
    }));

  it("says which fd was refused", () =>
    withStandIn(async (manager) => {
      expect(await manager.storeFds("a", [99_999])).toBe(9);
    }));
});

describe("the environment", () => {
  it("says nothing where there is no manager", () => {
    const service = takeServiceEnvironment({});
    expect(service).toEqual({ manager: null, watchdogMs: null, storedFds: new Map() });
  });

  it.each(["", "relative", "/", "@", "vsock:2:1234", `/${"x".repeat(108)}`])(
    "has no usable socket in %j",
    (address) => {
      expect(takeServiceEnvironment({ NOTIFY_SOCKET: address }).manager).toBeNull();
    },
  );

  it("is cleared for the children", () => {
    const environment: Record<string, string | undefined> = {
      PATH: "/bin",
      NOTIFY_SOCKET: "/x",
      WATCHDOG_USEC: "1",
      WATCHDOG_PID: "1",
      LISTEN_PID: "1",
      LISTEN_FDS: "2",
      LISTEN_FDNAMES: "a:b",
    };
    takeServiceEnvironment(environment);
    expect(environment).toEqual({ PATH: "/bin" });
  });

  it("has a watchdog that is ours, or has none", () => {
    const watchdog = (environment: Record<string, string>) => takeServiceEnvironment(environment).watchdogMs;
    expect(watchdog({ WATCHDOG_USEC: "30000000" })).toBe(30_000);
    expect(watchdog({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: String(process.pid) })).toBe(30_000);
    expect(watchdog({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "1" })).toBeNull();
    expect(watchdog({ WATCHDOG_USEC: "0" })).toBeNull();
    expect(watchdog({ WATCHDOG_USEC: "soon" })).toBeNull();
  });

  it("has no fds that are meant for another process", () => {
    const environment = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "a" };
    expect(takeServiceEnvironment(environment).storedFds.size).toBe(0);
  });

  it("has the stored fds by name, close-on-exec, and passes over one that is not open", () => {
    // Node itself has the first of these; the last is nobody's.
    const environment = { LISTEN_PID: String(process.pid), LISTEN_FDS: "1021", LISTEN_FDNAMES: "a:b:a" };
    const { storedFds } = takeServiceEnvironment(environment);
    expect(storedFds.get("a")?.[0]).toBe(3);
    expect(storedFds.get("b")).toEqual([4]);
    expect(readFileSync("/proc/self/fdinfo/3", "utf8")).toMatch(/^flags:\s+0?2\d{6}$/m);
    expect(existsSync("/proc/self/fd/1023")).toBe(false);
    expect(storedFds.get("unknown")).not.toContain(1023);
  });
});

it("a socket's address has the kernel's form", () => {
  expect([...(unixAddress("/a") ?? [])]).toEqual([1, 0, 0x2f, 0x61, 0]);
  expect([...(unixAddress("@a") ?? [])]).toEqual([1, 0, 0, 0x61]);
});
