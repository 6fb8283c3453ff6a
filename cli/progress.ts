import type { SingleBar } from "cli-progress";
import type { Terminal } from "./terminal.ts";

/** Shows the progress of work in the form the user asked for. */
export interface Progress {
  /** `done` of `total` units are finished. */
  update(done: number): void;
  /** Call it when the work ends, complete or not. */
  stop(): void;
}

/** What is counted. */
export interface Work {
  /** In the plural: `frames`. */
  readonly unit: string;
  /** Unknown if the work comes as a stream. */
  readonly total?: number;
  /** Number already done at the start (0). */
  readonly from?: number;
}

/** Options for progress. */
export interface ProgressOptions {
  readonly quiet?: boolean;
  readonly progress?: "auto" | "json";
}

const NOTHING: Progress = { update() {}, stop() {} };

/** Seconds between two lines without a terminal. */
const LINE_SECONDS = 10;

/**
 * A bar on a terminal, JSON lines if requested, otherwise a line now and then; nothing with
 * --quiet.
 */
export async function startProgress(
  work: Work,
  options: ProgressOptions,
  terminal: Terminal,
  now: () => number = performance.now.bind(performance),
): Promise<Progress> {
  if (options.progress === "json") return jsonLines(work, terminal, now);
  if (options.quiet || work.total === 0) return NOTHING;
  const { total } = work;
  const moves = terminal.live && total !== undefined; // a bar without a total is useless
  return moves ? await movingBar({ ...work, total }) : plainLines(work, terminal, now);
}

async function movingBar({ unit, total, from = 0 }: Work & { total: number }): Promise<Progress> {
  const { default: progress } = await import("cli-progress");
  const bar: SingleBar = new progress.SingleBar({
    format: `{bar} {value}/{total} ${unit} | {rate}/s | {left} left`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true, // the result has its own line
    gracefulExit: false, // the program handles signals itself
  });
  const start = performance.now();
  bar.start(total, from, { rate: "-", left: "-" });
  return {
    update(done) {
      const { rate, left } = pace(done - from, total - from, performance.now() - start);
      bar.update(done, { rate: rate.toFixed(2), left: duration(left) });
    },
    stop: () => bar.stop(),
  };
}

function plainLines(
  { unit, total = Infinity, from = 0 }: Work,
  terminal: Terminal,
  now: () => number,
): Progress {
  const start = now();
  let last = start;
  return {
    update(done) {
      if (now() - last < LINE_SECONDS * 1000 || done >= total) return;
      last = now();
      const { rate, left } = pace(done - from, total - from, last - start);
      const line = Number.isFinite(total)
        ? `${done}/${total} ${unit}, ${rate.toFixed(2)}/s, ${duration(left)} left`
        : `${done} ${unit}, ${rate.toFixed(2)}/s`;
      terminal.note(line);
    },
    stop() {},
  };
}

function jsonLines(
  { unit, total = Infinity, from = 0 }: Work,
  terminal: Terminal,
  now: () => number,
): Progress {
  const start = now();
  let finished = from;
  const tell = (event: string, done: number) => {
    const seconds = (now() - start) / 1000;
    const { left } = pace(done - from, total - from, now() - start);
    const remaining = Number.isFinite(left) ? round(left) : null;
    const all = Number.isFinite(total) ? total : null;
    terminal.note(
      JSON.stringify({ event, unit, done, total: all, seconds: round(seconds), remaining }),
    );
  };
  tell("start", from);
  return {
    update(done) {
      finished = done;
      tell("progress", done);
    },
    stop: () => tell("end", finished),
  };
}

/** Units per second so far, and seconds for the rest at that rate. */
function pace(done: number, total: number, milliseconds: number): { rate: number; left: number } {
  const rate = milliseconds > 0 ? done / (milliseconds / 1000) : 0;
  return { rate, left: rate > 0 ? (total - done) / rate : Infinity };
}

/** `1:05` minutes, `45 s`, or `-` while unknown. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)} min`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)} h`;
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
