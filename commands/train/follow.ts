import type { TrainedStep, TrainEvent, TrainOptions } from "../../app_large.ts";
import { interrupted } from "../../cli/errors.ts";
import type { TrainJob } from "./job.ts";
import type { TrainCall } from "./spec.ts";
import { TrainProgress } from "./train_progress.ts";

/** How a run ended. */
export interface Followed {
  /** The last step; undefined where it was finished already. */
  readonly last: TrainedStep | undefined;
  /** Mean loss of the last steps. */
  readonly mean: number;
}

/**
 * Takes the steps of a run and shows them.
 * @throws what the run throws; once the signal aborts, that it is saved
 */
export async function follow(
  { options, terminal, signal }: TrainCall,
  { steps, unit }: { readonly steps: number; readonly unit: TrainJob["unit"] },
  run: (how: Pick<TrainOptions, "onEvent" | "signal">) => AsyncIterable<TrainedStep>,
): Promise<Followed> {
  const progress = new TrainProgress(steps, unit, options, terminal);
  const onEvent = (event: TrainEvent) => progress.event(event);
  let last: TrainedStep | undefined;
  try {
    for await (const step of run({ onEvent, signal })) progress.step(last = step);
  } catch (error) {
    const outcome = `the run is saved in ${options.output}; run the same command again to continue`;
    throw signal.aborted && last ? interrupted(error, outcome) : error;
  } finally {
    progress.stop();
  }
  return { last, mean: progress.mean };
}
