/** The result of one check. The names are stable. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "warning" | "problem";
  /** What is seen, in one line. */
  readonly found: string;
  /** What to try; absent if all is well. */
  readonly cure?: string;
  /** Absent where the machine was looked at. */
  readonly mountpoint?: string;
}

export const ok = (name: string, found: string): Check => ({ name, state: "ok", found });
export const warning = (name: string, found: string, cure: string): Check => ({ name, state: "warning", found, cure });
export const problem = (name: string, found: string, cure: string): Check => ({ name, state: "problem", found, cure });

/** Of what needs CAP_SYS_RESOURCE. */
export const UNIT_CURE = "the systemd unit, as root, or docker run --cap-add SYS_RESOURCE";
