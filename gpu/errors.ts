/** What went wrong with the GPU; `lost` and `out-of-memory` may be cured by a retry. */
export type GpuErrorReason =
  | "no-adapter"
  | "limit"
  | "validation"
  | "out-of-memory"
  | "lost"
  | "internal"
  | "non-finite";

/** A failure of the device or of what was asked of it, with the kernel's label where one is known. */
export class GpuError extends Error {
  /** Always `GpuError`. */
  override readonly name = "GpuError";
  /** What kind of failure. */
  readonly reason: GpuErrorReason;

  /** An error with its kind and its one line. */
  constructor(reason: GpuErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }

  /** True where the same run may succeed later or elsewhere (exit status 75). */
  get temporary(): boolean {
    return this.reason === "lost" || this.reason === "out-of-memory";
  }
}

/** A tensor's shape does not fit the operation; the message carries both shapes. */
export class ShapeError extends TypeError {
  /** Always `ShapeError`. */
  override readonly name = "ShapeError";
}
