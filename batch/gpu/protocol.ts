import type { SettingValue } from "../../cli/settings.ts";
import type { RunWarning } from "../../request/model_warnings.ts";
import type { JobFailure, Made } from "../results.ts";

// Messages between the supervisor and the GPU process: JSON lines on stdin and stdout. Any other
// line was printed by a library.

/** A job as it is sent to the GPU process or through a queue. */
export interface WireJob {
  /** Identifies the job in answers. */
  readonly hash: string;
  /** For messages: `jobs.jsonl:3`. */
  readonly where: string;
  /** Options by name, as in a manifest. */
  readonly options: Readonly<Record<string, SettingValue>>;
  /** Folder of the model. */
  readonly model: string;
  /** Folder that `outputs` are relative to. */
  readonly folder: string;
  readonly outputs: readonly string[];
}

/** Supervisor to GPU process: run these as one batch, as far as their shapes and memory allow. */
export interface RunMessage {
  readonly type: "run";
  readonly jobs: readonly WireJob[];
  /** Most videos per batch. */
  readonly videos: number;
}

/** The device that the GPU process uses. */
export interface DeviceInfo {
  readonly name: string;
  readonly cpu: boolean;
}

/** GPU process to supervisor. Each message is a sign of life. */
export type ChildMessage =
  | { readonly type: "ready"; readonly device: DeviceInfo }
  /** These jobs are on the GPU now: if the process ends before their records, they are lost. */
  | { readonly type: "start"; readonly hashes: readonly string[] }
  /** Progress: weights were loaded or a frame was finished; `generated` for a new frame. */
  | { readonly type: "progress"; readonly generated?: boolean }
  /** About a job that runs all the same. */
  | RunWarning & { readonly type: "warning"; readonly where: string }
  | Made & { readonly type: "done"; readonly hash: string }
  | { readonly type: "failed"; readonly hash: string; readonly error: ChildFailure }
  /**
   * The batch failed as a whole, for lack of memory or otherwise: these jobs may succeed in other
   * batches.
   */
  | {
    readonly type: "split";
    readonly hashes: readonly string[];
    /** Videos in the batch. */
    readonly videos: number;
    readonly memory: boolean;
    readonly why: string;
  }
  /**
   * The last `run` is over; jobs without a record were not run, since the batch had room for only
   * so many. `retires` says why this process must end, if it must.
   */
  | { readonly type: "idle"; readonly room?: number; readonly retires?: string }
  /** This device is unusable: every job would fail the same way. */
  | { readonly type: "fatal"; readonly error: ChildFailure }
  /** The device is lost; the process ends itself. */
  | { readonly type: "lost"; readonly message: string };

/** How a job ended. */
export type Outcome =
  | Made & { readonly status: "done" }
  | {
    readonly status: "failed";
    readonly error: ChildFailure;
    /** The GPU process died on it. */
    readonly lost?: boolean;
  }
  /** It is on a queue, and this batch does not wait for it. */
  | { readonly status: "queued" };

/** A failure as the GPU process reports it. */
export interface ChildFailure extends JobFailure {
  /** Whether the disk is full or the folder gone, so that other jobs would fail too. */
  readonly storage?: boolean;
  readonly stack?: string;
}

const TYPES: readonly string[] = [
  ...["ready", "start", "progress", "warning", "done", "failed", "split", "idle", "fatal", "lost"],
];

/** A message as a line. */
export function encodeLine(message: RunMessage | ChildMessage): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(message)}\n`);
}

/** @returns undefined for a line that is not a message */
export function parseChildMessage(line: string): ChildMessage | undefined {
  if (!line.startsWith('{"type":')) return undefined;
  try {
    const message = JSON.parse(line);
    return TYPES.includes(message.type) ? message : undefined;
  } catch {
    return undefined;
  }
}

/** Lines of a stream of bytes; the last one may lack a line break. */
export async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}
