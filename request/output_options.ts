import type { PreparedRun } from "../mod.ts";
import { flatSettings, type Settings, settingsMetadata } from "../cli/settings.ts";
import type { OutputOptions } from "./outputs.ts";
import type { Request } from "./request.ts";

/**
 * Settings of a run's outputs; `record` is stored in them, names of
 * actions shown on contact sheets.
 */
export function outputOptions(
  request: Request,
  run: Pick<PreparedRun, "plan" | "noise">,
  record: Settings | undefined,
  actionNames?: readonly string[],
): OutputOptions {
  const { options, actions, generate, fps } = request;
  const { plan } = run;
  const { width, height, videos } = plan;
  const [, , channels, latentHeight, latentWidth] = plan.noiseShape;
  return {
    count: videos,
    frames: plan.contextFrames + plan.generatedFrames,
    from: options.onlyGenerated ? plan.contextFrames : 0,
    given: plan.contextFrames,
    actionNames,
    width,
    height,
    fps,
    codec: options.codec,
    quality: options.quality,
    scale: options.scale,
    format: options.format,
    metadata: record && settingsMetadata(record),
    actions,
    tensors: {
      width,
      height,
      latentShape: [channels, latentHeight, latentWidth],
      noise: {
        shape: plan.noiseShape,
        get data() { // drawn only for an output that stores it
          return run.noise;
        },
      },
      actions,
      labels: generate.labels,
      metadata: record && flatSettings(record),
    },
  };
}
