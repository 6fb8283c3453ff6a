/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "failed";
  /** What was found, in one line. */
  readonly detail: string;
  /** The command that mends it, or words where there is none. */
  readonly mend?: string;
}

/** Lines for people: the finding, and under it what mends it. */
export function describeCheck({ name, status, detail, mend }: Check): string {
  const mark = { ok: "ok     ", warning: "warning", failed: "FAILED " }[status];
  const line = `${mark}  ${name.padEnd(36)}  ${detail}`;
  return mend === undefined ? line : `${line}\n         to fix it: ${mend}`;
}

/** `1.5 GB` or `134 MB`. */
export function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
