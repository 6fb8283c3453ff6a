import {
  gaussianSsim,
  lpips,
  type LpipsNetwork,
  multiScaleSsim,
  psnrOf,
  similarity,
} from "../../app.ts";

/** Metrics of each frame, in the order of tables; LPIPS only where its network is given. */
export const METRICS = ["psnr", "ssim", "ssim_gaussian", "ms_ssim", "mse", "lpips"] as const;
/** Metrics of which less is better. */
const LESS_IS_BETTER: readonly Metric[] = ["mse", "lpips"];
/** One of {@linkcode METRICS}. */
export type Metric = typeof METRICS[number];

/** Display names. */
export const METRIC_NAMES: Readonly<Record<Metric, string>> = {
  psnr: "PSNR",
  ssim: "SSIM, uniform",
  ssim_gaussian: "SSIM, Gaussian",
  ms_ssim: "MS-SSIM",
  mse: "MSE",
  lpips: "LPIPS",
};

/** A value of every metric that was measured. */
export type Measures = Readonly<
  & Record<Exclude<Metric, "lpips">, number>
  & { lpips?: number }
>;

/** Metrics that were measured. */
export function metricsOf(measures: { readonly [M in Metric]?: unknown }): Metric[] {
  return METRICS.filter((metric) => measures[metric] !== undefined);
}

/** A sequence of pictures, planar [frames, 3, height, width] in [0, 1]. */
export interface Pictures {
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** One of several pictures. */
export function pictureAt({ width, height, data }: Pictures, index: number): Float32Array {
  const size = 3 * width * height;
  return data.subarray(index * size, (index + 1) * size);
}

/** Similarity of two pictures by every metric. @param network of LPIPS, if that is measured */
export function measure(
  truth: Float32Array,
  made: Float32Array,
  width: number,
  height: number,
  network?: LpipsNetwork,
): Measures {
  const { mse, ssim } = similarity(truth, made, width, height);
  return {
    psnr: psnrOf(mse),
    ssim,
    ssim_gaussian: gaussianSsim(truth, made, width, height),
    ms_ssim: multiScaleSsim(truth, made, width, height).value,
    mse,
    ...(network && { lpips: lpips(network, truth, made, width, height) }),
  };
}

/** Measures of frames from `first` on. */
export function measureFrames(
  truth: Pictures,
  made: Pictures,
  first: number,
  network?: LpipsNetwork,
): Measures[] {
  const { width, height } = truth;
  return Array.from({ length: truth.frames - first }, (_, i) => {
    const [a, b] = [pictureAt(truth, first + i), pictureAt(made, first + i)];
    return measure(a, b, width, height, network);
  });
}

/** Means over frames. */
export function meanOf(frames: readonly Measures[]): Measures {
  const means = metricsOf(frames[0]!).map((metric) =>
    [metric, frames.reduce((sum, frame) => sum + frame[metric]!, 0) / frames.length] as const
  );
  return Object.fromEntries(means) as Record<Metric, number>;
}

/**
 * For several videos of one clip and each metric, the frames of the video with the best mean.
 * Source: released `VideoMetric`, except for MSE, of which it takes the largest.
 */
export function bestOf(videos: readonly (readonly Measures[])[]): Measures[] {
  const means = videos.map(meanOf);
  const best = (metric: Metric) => {
    const sign = LESS_IS_BETTER.includes(metric) ? -1 : 1;
    return means.reduce(
      (found, mean, i) => sign * mean[metric]! > sign * means[found]![metric]! ? i : found,
      0,
    );
  };
  const chosen = metricsOf(means[0]!).map((metric) => [metric, best(metric)] as const);
  return videos[0]!.map((_, frame) =>
    Object.fromEntries(
      chosen.map(([metric, video]) => [metric, videos[video]![frame]![metric]]),
    ) as Record<Metric, number>
  );
}
