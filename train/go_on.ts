import { join } from "node:path";
import type { Shapes } from "../released/architecture.ts";
import type { Sampler } from "./data/sampler.ts";
import { CHECKPOINTS, checkpointSteps, loadCheckpoint } from "./folder/checkpoint.ts";
import type { RunFolder } from "./folder/run_folder.ts";
import type { StepTrainer } from "./run_loop.ts";
import type { TrainOptions } from "./run_options.ts";

/** Parts of a run that can be restored. */
export interface Resumed {
  readonly trainer: StepTrainer;
  readonly sampler: Sampler;
  readonly shapes: Shapes;
  readonly folder: RunFolder;
}

/** Restores the newest checkpoint of the folder, or the one to start from. */
export async function goOn(
  { from, onEvent }: Pick<TrainOptions, "from" | "onEvent">,
  { trainer, sampler, shapes, folder }: Resumed,
): Promise<void> {
  const newest = (await checkpointSteps(folder.path)).at(-1);
  const path = newest === undefined ? from : join(folder.path, CHECKPOINTS, `step-${newest}`);
  if (path === undefined) return;
  const { state, extras } = await loadCheckpoint(path, shapes);
  await trainer.restore(state);
  if (extras) sampler.seek(extras.position);
  onEvent?.({ event: "resumed", step: state.step, path });
}
