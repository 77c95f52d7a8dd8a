/**
 * Device DAX: a character device on which only mmap works. Its properties are in
 * sysfs under its device number (drivers/dax/bus.c); fstat and lseek return 0. A
 * mapping longer than the device succeeds but raises SIGBUS past its end, so
 * everything must stay within the size found here.
 */
import { basename } from "node:path";
import { EOPNOTSUPP, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { MIB, PAGE_BYTES } from "../../base/units.js";
import { parseNode } from "../proc/numaNodes.js";
import { readLink, readNames, readText } from "../proc/procFile.js";

/** A number in sysfs: null if the file is missing or not readable, NaN if it holds no number. */
type Attribute = number | null;

/** A range of physical memory; a device is a sequence of them. */
export interface DaxRange {
  readonly startBytes: Attribute;
  /** The last byte. */
  readonly endBytes: Attribute;
  /** Its first page in the device. */
  readonly offsetPages: Attribute;
}

export interface DaxDevice {
  /** As daxctl calls it, e.g. `dax0.0`. */
  readonly name: string;
  /** null: the device is disabled; `unknown`: before Linux 5.1 a device of DAX had none of its own. */
  readonly driver: string | null;
  readonly sizeBytes: Attribute;
  readonly alignBytes: Attribute;
  /** Ordered as in the device; none where the kernel does not tell. */
  readonly ranges: readonly DaxRange[];
  /** The nearest node that has CPUs or memory; null for unknown. */
  readonly numaNode: number | null;
  /** The node that the memory would be as system RAM; null for unknown. */
  readonly targetNode: number | null;
}

/** Where the kernel does not say: all of its drivers have this (PMD_SIZE). */
const DEFAULT_ALIGN_BYTES = 2 * MIB;

/** @param root where /sys is; a directory of plain files stands in for it in tests. @returns null for another device */
export function readDaxDevice(major: number, minor: number, root = ""): DaxDevice | null {
  const directory = `${root}/sys/dev/char/${major}:${minor}`;
  const subsystem = readLink(`${directory}/subsystem`);
  // Devices of flash memory have a size too.
  if (subsystem === null || basename(subsystem) !== "dax") return null;
  const driver = readLink(`${directory}/driver`);
  const hasDrivers = basename(subsystem.slice(0, -"/dax".length)) === "bus";
  const ranges = readNames(directory)
    .filter((name) => /^mapping\d+$/.test(name))
    .sort((a, b) => Number(a.slice(7)) - Number(b.slice(7)))
    .map((name) => ({
      startBytes: attribute(`${directory}/${name}/start`),
      endBytes: attribute(`${directory}/${name}/end`),
      offsetPages: attribute(`${directory}/${name}/page_offset`),
    }));
  return {
    name: basename(readLink(directory) ?? `${major}:${minor}`),
    driver: driver === null ? (hasDrivers ? null : "unknown") : basename(driver),
    sizeBytes: attribute(`${directory}/size`),
    alignBytes: attribute(`${directory}/align`),
    ranges: ranges.sort((a, b) => (a.offsetPages ?? 0) - (b.offsetPages ?? 0)),
    numaNode: parseNode(readText(`${directory}/numa_node`)),
    targetNode: parseNode(readText(`${directory}/target_node`)),
  };
}

/** Decimal or `0x`. */
function attribute(path: string): Attribute {
  const text = readText(path)?.trim();
  if (text === undefined) return null;
  const value = text === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
}

/**
 * What can be mapped of a device: no more than its size and its ranges allow, in whole units of alignment.
 * @throws UserError for a device that cannot be mapped now, or with invalid values in sysfs
 */
export function usableDax(
  device: DaxDevice | null,
  path: string,
): { readonly sizeBytes: number; readonly alignBytes: number } {
  if (device === null) {
    throw new UserError(path, "is a character device but not device DAX", {
      code: errnoName(EOPNOTSUPP),
      cure: "use /dev/daxX.Y (ndctl create-namespace --mode=devdax)",
    });
  }
  refuseMode(device, path);
  const alignBytes = device.alignBytes ?? DEFAULT_ALIGN_BYTES;
  // A unit is a page or a huge page: a power of two.
  const pages = alignBytes / PAGE_BYTES;
  if (!(pages >= 1) || !Number.isInteger(Math.log2(pages))) throw oddDevice(device, path, "align");
  if (Number.isNaN(device.sizeBytes)) throw oddDevice(device, path, "size");
  const extentBytes = rangesExtent(device, path, alignBytes);
  if (device.sizeBytes === null && extentBytes === null) throw oddDevice(device, path, "size");
  const allBytes = Math.min(device.sizeBytes ?? Number.POSITIVE_INFINITY, extentBytes ?? Number.POSITIVE_INFINITY);
  const sizeBytes = Math.floor(allBytes / alignBytes) * alignBytes;
  if (sizeBytes > 0) return { sizeBytes, alignBytes };
  throw new UserError(path, `has ${allBytes} bytes, less than its alignment of ${alignBytes}`, {
    code: "EINVAL",
    cure: `daxctl reconfigure-device --size SIZE ${device.name}`,
  });
}

function refuseMode({ driver, name }: DaxDevice, path: string): void {
  if (driver === null) {
    throw new UserError(path, "is disabled", { code: "ENXIO", cure: `daxctl enable-device ${name}` });
  }
  if (driver === "device_dax" || driver === "unknown") return;
  const what =
    driver === "kmem" ? "is in system-ram mode: the machine uses it as RAM" : `is bound to the driver ${driver}`;
  throw new UserError(path, what, { code: "EBUSY", cure: `daxctl reconfigure-device --mode=devdax --force ${name}` });
}

/** Bytes that the ranges cover from the start of the device without a gap; null if the kernel does not list them. */
function rangesExtent(device: DaxDevice, path: string, alignBytes: number): number | null {
  let extentBytes = 0;
  for (const { startBytes, endBytes, offsetPages } of device.ranges) {
    // Only root can read them.
    if (startBytes === null || endBytes === null) return null;
    const lengthBytes = endBytes - startBytes + 1;
    if (!(lengthBytes > 0) || Number.isNaN(offsetPages)) throw oddDevice(device, path, "mapping");
    if (offsetPages !== null && offsetPages * PAGE_BYTES !== extentBytes) return extentBytes;
    extentBytes += Math.floor(lengthBytes / alignBytes) * alignBytes;
    // A unit that lies in two ranges cannot be mapped (dax_pgoff_to_phys).
    if (lengthBytes % alignBytes !== 0) return extentBytes;
  }
  return device.ranges.length === 0 ? null : extentBytes;
}

function oddDevice({ name }: DaxDevice, path: string, what: string): UserError {
  return new UserError(path, `sysfs does not report its ${what} (/sys/bus/dax/devices/${name})`, {
    code: "EINVAL",
    cure: "daxctl list, to see what the kernel has",
  });
}
