/** Result of one check. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "failed";
  /** The finding, in one line. */
  readonly detail: string;
  /** The command that fixes it, or advice if there is none. */
  readonly mend?: string;
}

/** A finding with which nothing is wrong. */
export function ok(name: string, detail: string): Check {
  return { name, status: "ok", detail };
}

/** A finding that is slow or tight, but works. */
export function warning(name: string, detail: string, mend?: string): Check {
  return { name, status: "warning", detail, ...mend !== undefined && { mend } };
}

/** A finding without which something does not work. */
export function failed(name: string, detail: string, mend?: string): Check {
  return { name, status: "failed", detail, ...mend !== undefined && { mend } };
}

/** Lines for people: the finding, and below it the fix. */
export function describeCheck({ name, status, detail, mend }: Check): string {
  const mark = { ok: "ok     ", warning: "warning", failed: "FAILED " }[status];
  const line = `${mark}  ${name.padEnd(36)}  ${detail}`;
  return mend === undefined ? line : `${line}\n         to fix it: ${mend}`;
}

/** `1.5 GB` or `134 MB`. */
export function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
