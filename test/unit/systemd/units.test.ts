/** The unit files say what docs/decisions/0011 builds on; systemd itself is not needed to see that. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { closeDeadlineMs } from "../../../src/mounts/deadlines.js";
import { projectRoot } from "../../support/project.js";

/** `Section.Key` → its values in order, as systemd.syntax(7) has them. */
function parseUnit(text: string): Map<string, string[]> {
  const keys = new Map<string, string[]>();
  let section = "";
  for (const line of text.split("\n")) {
    if (line === "" || /^[#;]/.test(line)) continue;
    const header = /^\[(\w+)\]$/.exec(line);
    if (header !== null) {
      section = header[1];
      continue;
    }
    const entry = /^(\w+)=(.*)$/.exec(line);
    if (entry === null) throw new Error(`not a line of a unit file: ${line}`);
    const key = `${section}.${entry[1]}`;
    keys.set(key, [...(keys.get(key) ?? []), entry[2]]);
  }
  return keys;
}

const text = readFileSync(join(projectRoot, "systemd/kmemfs@.service"), "utf8");
const unit = parseUnit(text);
const value = (key: string): string | undefined => unit.get(key)?.at(-1);

describe("kmemfs@.service", () => {
  it("is ready when the holder says so, and the holder is what systemd starts", () => {
    expect(value("Service.Type")).toBe("notify");
    expect(value("Service.NotifyAccess")).toBe("main");
    expect(value("Service.ExecStart")).toMatch(/^kmemfs mount --foreground /);
  });

  it("keeps what the holder stores, and starts it again when it was killed, not when it has ended", () => {
    // The session's memory, the lock of the name, two or three of the pool, and 64 channels at most.
    expect(Number(value("Service.FileDescriptorStoreMax"))).toBeGreaterThanOrEqual(64 + 5);
    expect(value("Service.Restart")).toBe("on-abnormal");
  });

  it("does not take the disk down after a crash", () => {
    // systemd runs ExecStop= and ExecStopPost= also for a service that was killed.
    expect(unit.has("Service.ExecStop")).toBe(false);
    expect(unit.has("Service.ExecStopPost")).toBe(false);
  });

  it("touches nothing on the mount before the holder is back", () => {
    expect(unit.has("Service.ExecStartPre")).toBe(false);
    expect(unit.has("Service.WorkingDirectory")).toBe(false);
    expect(unit.has("Service.ExecCondition")).toBe(false);
  });

  it("asks the holder alone to stop, and kills the server of a holder that is gone", () => {
    expect(value("Service.KillMode")).toBe("mixed");
    expect(unit.has("Service.SendSIGKILL")).toBe(false);
  });

  it("gives the pool the time that the holder gives it", () => {
    expect(Number(value("Service.TimeoutStopSec")) * 1000).toBeGreaterThan(closeDeadlineMs(true, false));
  });

  it("has no mount namespace of its own", () => {
    const sandbox = [...unit.keys()].filter((key) =>
      /\.(Private|Protect|ReadOnly|ReadWrite|Root|Bind|Inacc)/.test(key),
    );
    expect(sandbox).toEqual([]);
  });

  it("restarts the server at a reload, is watched, and is not what memory is short of", () => {
    expect(value("Service.ExecReload")).toBe("kmemfs restart %f");
    expect(Number(value("Service.WatchdogSec"))).toBeGreaterThan(0);
    expect(value("Service.OOMPolicy")).toBe("continue");
    expect(value("Service.OOMScoreAdjust")).toBe("-1000");
    expect(value("Service.LimitMEMLOCK")).toBe("infinity");
  });

  it("lets systemd unmount before it stops the holder", () => {
    expect(value("Unit.Before")).toBe("%i.mount");
  });

  it("knows no key that Debian 12's systemd 252 does not", () => {
    expect(text).not.toMatch(/^(FileDescriptorStorePreserve|RestartMode|RestartSteps|ExecReloadPost)=/m);
  });
});
