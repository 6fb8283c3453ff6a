import type { SettingValue } from "../../cli/settings.ts";
import type { JobFailure, MadeFile } from "../results.ts";

/** Form of the data in a queue; a worker refuses what is newer than itself. */
export const QUEUE_VERSION = 1;

/** A file that a job reads, kept in the queue. */
export interface SentInput {
  readonly sha256: string;
  /** Its name, whose extension tells what it is. */
  readonly name: string;
  /** How much of a LoRA is added. */
  readonly scale?: number;
}

/** A job as it lies in a queue. */
export interface QueueJob {
  readonly version: number;
  readonly id: string;
  readonly line: number;
  readonly where: string;
  readonly hash: string;
  readonly options: Readonly<Record<string, SettingValue>>;
  readonly model: { readonly name: string; readonly identity: string };
  readonly outputs: readonly string[];
  /** Files by option, where they travel through the queue. */
  readonly inputs: Readonly<Record<string, SentInput>>;
  /** The output folder, where workers see it too; else outputs are sent back. */
  readonly shared?: string;
}

/** What a worker answers. */
export interface QueueResult {
  readonly seconds: number;
  readonly batch: number;
  readonly outputs: readonly MadeFile[];
  /** The outputs lie in the queue, as `outputBlob` names them. */
  readonly sent: boolean;
  /** Name of the machine. */
  readonly worker: string;
}

/**
 * Name under which an output lies in the queue. Each job has its own: two that make the same bytes
 * must not take them from each other.
 */
export function outputBlob(hash: string, sha256: string): string {
  return `${hash}-${sha256}`;
}

/** What is kept of a failure beside its text, as the job's progress. */
export interface QueueFailure {
  readonly failure: JobFailure;
}
