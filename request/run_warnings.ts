import type { ModelInfo, RunPlan } from "../mod.ts";
import { modelWarnings, type RunWarning, type Wanted } from "./model_warnings.ts";
import { outputWarnings } from "./output_warnings.ts";
import type { GenerateValues } from "./options.ts";
import type { Source } from "./sources.ts";

/** Facts about a run, as far as they are known. */
export interface RunFacts extends Omit<Wanted, "guidance"> {
  readonly source?: Pick<Source, "warnings">;
}

/** The facts that a plan knows. */
export function factsOf(plan: RunPlan): Pick<RunFacts, "size" | "frames"> {
  const { width, height, contextFrames, generatedFrames } = plan;
  return { size: { width, height }, frames: contextFrames + generatedFrames };
}

/** Everything about a run that may differ from what its user expects. */
export function runWarnings(
  options: GenerateValues,
  { size, frames, slope, source }: RunFacts,
  info: ModelInfo,
): RunWarning[] {
  const { guidance, output = [], fps = info.fps } = options;
  return [
    ...(source?.warnings ?? []).map((text) => ({ kind: text, text })),
    ...outputWarnings(output, { ...options, fps }),
    ...modelWarnings({ size, frames, guidance, slope }, info),
  ];
}
