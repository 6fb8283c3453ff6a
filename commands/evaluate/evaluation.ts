import type { EvaluationClip } from "./clips.ts";
import type { Protocol } from "./protocol.ts";
import type { AgreementResult, ReturnResult } from "./steering.ts";
import type { ClipResult, Published, Summary } from "./summary.ts";

/** The model's machine and arithmetic. */
export interface Machine {
  readonly adapter: string;
  readonly program: string;
  readonly system: string;
}

/** Time for generating, from the jobs' records. */
export interface Times {
  /** GPU seconds, divided among the videos of a batch. */
  readonly seconds: number;
  /** Frames generated. */
  readonly frames: number;
}

/** All results of an evaluation. */
export interface Evaluation {
  readonly protocol: Protocol;
  readonly data: string;
  readonly clips: readonly EvaluationClip[];
  readonly results: readonly ClipResult[];
  readonly summary: Summary;
  /** Scales of MS-SSIM that fit the pictures. */
  readonly scales: number;
  readonly published: Published | undefined;
  readonly returns: readonly ReturnResult[];
  readonly agreement: AgreementResult | undefined;
  readonly machine: Machine;
  readonly times: Times;
  readonly command: string;
  readonly version: string;
}

/** Name of an action, or its number. */
export function actionName({ info }: Protocol, action: number): string {
  return info.actions?.[action] ?? String(action);
}
