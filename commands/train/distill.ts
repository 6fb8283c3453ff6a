import type { TrainOptions } from "../../app_large.ts";
import { UsageError } from "../../cli/errors.ts";
import { optionName } from "../../cli/option.ts";
import { defined } from "../../cli/settings.ts";
import { pick } from "./shared_options.ts";
import type { TrainCall } from "./spec.ts";

/** How to distill. */
const HOW = [
  "guidance",
  "teacherSteps",
  "flowShare",
  "ownContext",
  "shift",
  "shiftTerminal",
] as const;
/** Options that begin another model than the one that is distilled. */
const OTHERS = ["architecture", "transformer", "preset", "vae"] as const;

/** @throws {UsageError} options of distillation without it, or without a model to distill */
export function checkDistillation({ options }: Pick<TrainCall, "options">): void {
  const given = (names: readonly (typeof HOW[number] | typeof OTHERS[number])[]) =>
    names.find((name) => options[name] !== undefined);
  if (options.distill === undefined) {
    const how = given(HOW);
    if (how) throw new UsageError(`Cannot use --${optionName(how)} without --distill`);
    return;
  }
  const other = given(OTHERS);
  if (other) {
    throw new UsageError(
      `Cannot use --${optionName(other)} with --distill: it takes --model with its own parts`,
    );
  }
  if (options.cleanContext !== undefined) {
    throw new UsageError(
      "Cannot use --clean-context with --distill: there every frame sees clean ones",
    );
  }
  if (options.model === undefined) throw new UsageError("Give the model to distill: --model");
}

/** Library options. */
export function distillOptions({ options: o }: TrainCall): TrainOptions["distill"] {
  return o.distill === undefined ? undefined : defined({ steps: o.distill, ...pick(o, HOW) });
}
