/** The command line, a settings file or a manifest is wrong (exit status 2). */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A signal asked the program to stop; its exit status is 128 plus the signal's number. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
  readonly status: number;

  /** @param outcome what happened to the outputs */
  constructor(
    readonly signal: "SIGINT" | "SIGTERM",
    readonly outcome = "nothing was written",
  ) {
    super(`Stopped by ${signal}: ${outcome}`);
    this.status = signal === "SIGINT" ? 130 : 143;
  }
}

/** The reason of a signal's abort, with what happened to the outputs. */
export function interrupted(reason: unknown, outcome: string): unknown {
  return reason instanceof InterruptedError ? new InterruptedError(reason.signal, outcome) : reason;
}

/** Exit statuses, on which scripts and schedulers branch. */
export const STATUS = { done: 0, failed: 1, usage: 2, temporary: 75 } as const;

const NETWORK_ERRORS = [
  Deno.errors.ConnectionRefused,
  Deno.errors.ConnectionReset,
  Deno.errors.ConnectionAborted,
  Deno.errors.NotConnected,
  Deno.errors.TimedOut,
  Deno.errors.NetworkUnreachable,
];

/** The exit status for an error. */
export function exitStatus(error: unknown): number {
  if (isClosedPipe(error)) return STATUS.done;
  if (error instanceof InterruptedError) return error.status;
  if (error instanceof UsageError) return STATUS.usage;
  return isTemporary(error) ? STATUS.temporary : STATUS.failed;
}

/** Whether the reader of stdout went away: it has what it wanted, so this is not a failure. */
export function isClosedPipe(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe ||
    (error instanceof Error && error.name === "ClosedPipeError");
}

/**
 * Whether a retry may succeed: a network error, or an error with `temporary`, such as `GpuError`
 * for a lost device.
 */
function isTemporary(error: unknown): boolean {
  if (NETWORK_ERRORS.some((kind) => error instanceof kind)) return true;
  return error instanceof Error && "temporary" in error && error.temporary === true;
}

/** Runs a check of the user's input and turns its errors into usage errors. */
export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    const kinds = [TypeError, RangeError, SyntaxError];
    if (!kinds.some((kind) => error instanceof kind)) throw error;
    throw new UsageError((error as Error).message, { cause: error });
  }
}

/** The line for an error. A stop by a signal is not called an error. */
export function errorLine(error: unknown): string {
  if (error instanceof InterruptedError) return error.message;
  const message = error instanceof Error ? error.message || error.name : String(error);
  return `error: ${message.replace(/^error: /, "").trim()}`;
}
