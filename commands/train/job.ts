import type { TrainedStep, TrainOptions, TrainPreview } from "../../app_large.ts";

/** A training job: its preview and its run. */
export interface TrainJob {
  readonly asked: Pick<TrainOptions, "output" | "steps">;
  /** Unit of computation, in the plural. */
  readonly unit: "videos" | "pictures";
  preview(): Promise<TrainPreview>;
  train(how: Pick<TrainOptions, "onEvent" | "signal">): AsyncIterable<TrainedStep>;
}
