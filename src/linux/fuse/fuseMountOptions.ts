/** The options of a FUSE mount. */
export interface FuseMountOptions {
  readonly readOnly: boolean;
  readonly allowOther: boolean;
  readonly maxReadBytes?: number;
  /** What mountinfo shows as the source; absent: `kmemfs`. */
  readonly source?: string;
}

/** The options that mount(2) and fusermount3 both take. */
export function kernelOptions(options: FuseMountOptions): string[] {
  return [
    "default_permissions",
    ...(options.allowOther ? ["allow_other"] : []),
    ...(options.maxReadBytes === undefined ? [] : [`max_read=${options.maxReadBytes}`]),
  ];
}
