import type { EvaluationClip } from "./clips.ts";
import type { Protocol } from "./protocol.ts";
import type { AgreementResult, ReturnResult } from "./steering.ts";
import type { ClipResult, Published, Summary } from "./summary.ts";

/** What a model was given, and how it was computed. */
export interface Machine {
  readonly adapter: string;
  readonly program: string;
  readonly system: string;
}

/** How long making it took, as the jobs' records say. */
export interface Times {
  /** Seconds of the GPU, shared among the videos of a batch. */
  readonly seconds: number;
  /** Frames that were made. */
  readonly frames: number;
}

/** All that an evaluation has found. */
export interface Evaluation {
  readonly protocol: Protocol;
  readonly data: string;
  readonly clips: readonly EvaluationClip[];
  readonly results: readonly ClipResult[];
  readonly summary: Summary;
  /** Scales of MS-SSIM that the pictures have room for. */
  readonly scales: number;
  readonly published: Published | undefined;
  readonly returns: readonly ReturnResult[];
  readonly agreement: AgreementResult | undefined;
  readonly machine: Machine;
  readonly times: Times;
  readonly command: string;
  readonly version: string;
}

/** Name of an action, else its number. */
export function actionName({ info }: Protocol, action: number): string {
  return info.actions?.[action] ?? String(action);
}
