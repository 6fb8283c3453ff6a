/** What went wrong with the GPU; a retry may fix `lost` and `out-of-memory`. */
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

  /** Whether a retry may succeed, here or on another machine (exit status 75). */
  get temporary(): boolean {
    return this.reason === "lost" || this.reason === "out-of-memory";
  }
}

/** A tensor's shape does not fit the operation; the message carries both shapes. */
export class ShapeError extends TypeError {
  /** Always `ShapeError`. */
  override readonly name = "ShapeError";
}

/**
 * An error that the device reported, and what it concerns, if known; `explain` rewords its message.
 */
export function toGpuError(
  error: GPUError,
  what?: string,
  explain = (message: string) => message,
): GpuError {
  if (error instanceof GPUOutOfMemoryError) {
    return new GpuError("out-of-memory", `The GPU is out of memory${what ? ` for ${what}` : ""}`);
  }
  const reason = error instanceof GPUValidationError ? "validation" : "internal";
  const message = firstLines(explain(error.message));
  return new GpuError(reason, `The GPU refused ${what ?? "a command"}: ${message}`);
}

function firstLines(message: string): string {
  return message.split("\n").map((line) => line.trim()).filter(Boolean).slice(0, 4).join("; ");
}

/** The error of a machine without an adapter, or of one where none is wanted that there is. */
export function noAdapter(backend: string | undefined, restriction: string | undefined): GpuError {
  const why = backend
    ? ` by ${backend}: leave out \`backend\``
    : restriction
    ? ` with ${restriction} in the environment: unset it, or choose vulkan, metal, dx12 or gl`
    : ": install a Vulkan driver (see `far doctor`)";
  return new GpuError("no-adapter", `Cannot find a GPU adapter${why}`);
}
