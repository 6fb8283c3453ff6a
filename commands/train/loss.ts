import type { AdversarialSettings, AutoencoderOptions, LossWeights } from "../../app_large.ts";
import { UsageError } from "../../cli/errors.ts";
import { optionName } from "../../cli/option.ts";
import { defined } from "../../cli/settings.ts";
import { pick } from "./shared_options.ts";
import type { TrainCall } from "./spec.ts";

const PARTS = ["l1", "mse", "edges", "structure", "lpips"] as const;

/** What an autoencoder's loss is made of, where it is said. @throws {UsageError} */
export function lossOptions(
  { options: o }: TrainCall,
): Pick<AutoencoderOptions, "loss" | "lpips" | "latentNoise" | keyof AdversarialSettings> {
  const idle = (["discWeight", "discFilters"] as const).find((name) => o[name] !== undefined);
  if (idle && o.discStart === undefined) {
    throw new UsageError(`Cannot use --${optionName(idle)} without --disc-start`);
  }
  const loss = o.loss === undefined ? undefined : lossWeights(o.loss);
  return defined({
    loss,
    ...pick(o, ["latentNoise", "lpips", "discStart", "discWeight", "discFilters"]),
  });
}

/** `l1=1,structure=0.5`. @throws {UsageError} */
function lossWeights(text: string): Partial<LossWeights> {
  const weights = text.split(",").map((part) => {
    const [name, value] = part.split("=").map((word) => word.trim());
    const known = PARTS.find((part) => part === name);
    const weight = value === undefined || value === "" ? NaN : Number(value);
    if (known && weight >= 0 && weight < Infinity) return [known, weight] as const;
    throw new UsageError(
      `Cannot use --loss ${text}: give weights such as l1=1,edges=0.5, of ${PARTS.join(", ")}`,
    );
  });
  return Object.fromEntries(weights);
}
