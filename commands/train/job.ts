import type { TrainedStep, TrainOptions, TrainPreview } from "../../app.ts";

/** What is trained: how it is previewed, and how it runs. */
export interface TrainJob {
  readonly asked: Pick<TrainOptions, "output" | "steps">;
  /** What is computed at once, in the plural. */
  readonly unit: "videos" | "pictures";
  preview(): Promise<TrainPreview>;
  train(how: Pick<TrainOptions, "onEvent" | "signal">): AsyncIterable<TrainedStep>;
}
