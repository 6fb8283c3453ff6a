import type { SettingValue } from "../../cli/settings.ts";
import type { JobFailure, Made } from "../results.ts";

/** Version of the data in a queue; a worker refuses newer ones. */
export const QUEUE_VERSION = 1;

/** A file that a job reads, kept in the queue. */
export interface SentInput {
  readonly sha256: string;
  /** Its name, whose extension gives its type. */
  readonly name: string;
  /** Scale of a LoRA. */
  readonly scale?: number;
}

/** A job in a queue. */
export interface QueueJob {
  readonly version: number;
  readonly id: string;
  readonly line: number;
  readonly where: string;
  readonly hash: string;
  readonly options: Readonly<Record<string, SettingValue>>;
  readonly model: { readonly name: string; readonly identity: string };
  readonly outputs: readonly string[];
  /** Files by option, if they are sent through the queue. */
  readonly inputs: Readonly<Record<string, SentInput>>;
  /** The output folder, if workers can access it; otherwise outputs are sent back. */
  readonly shared?: string;
}

/** A worker's answer. */
export interface QueueResult extends Made {
  /** Whether the outputs are in the queue, named by `outputBlob`. */
  readonly sent: boolean;
  /** Name of the machine. */
  readonly worker: string;
}

/**
 * Name of an output in the queue. It belongs to one job: two jobs that make the same bytes must not
 * take them from each other.
 */
export function outputBlob(hash: string, sha256: string): string {
  return `${hash}-${sha256}`;
}

/** Details of a failure besides its text, stored as the job's progress. */
export interface QueueFailure {
  readonly failure: JobFailure;
}
