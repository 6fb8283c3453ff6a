import type { Preset } from "../../mod.ts";
import { meanOf, type Measures, type Metric, metricsOf } from "./measure.ts";

/** Results of a clip from one seed: means over its frames, and each frame. */
export interface ClipResult {
  readonly id: string;
  readonly path: string;
  readonly seed: string;
  readonly mean: Measures;
  readonly frames: readonly Measures[];
}

/** A mean over seeds of means over clips, with the deviation over seeds. */
export interface Spread {
  readonly mean: number;
  /** Standard deviation over at least two seeds. */
  readonly deviation: number | undefined;
}

/** Overall results. */
export interface Summary {
  readonly overall: Readonly<Partial<Record<Metric, Spread>>>;
  /** Means over all clips and seeds, by frame; frames count from the clip's beginning. */
  readonly frames: readonly (Measures & { readonly frame: number })[];
}

/** @param context number of given frames */
export function summarise(results: readonly ClipResult[], context: number): Summary {
  const seeds = [...Map.groupBy(results, ({ seed }) => seed).values()]
    .map((clips) => meanOf(clips.map(({ mean }) => mean)));
  const overall = seeds.length === 0
    ? []
    : metricsOf(seeds[0]!).map((metric) =>
      [metric, spreadOf(seeds.map((mean) => mean[metric]!))] as const
    );
  const length = results[0]?.frames.length ?? 0;
  return {
    overall: Object.fromEntries(overall) as Record<Metric, Spread>,
    frames: Array.from({ length }, (_, i) => ({
      frame: context + i,
      ...meanOf(results.map(({ frames }) => frames[i]!)),
    })),
  };
}

function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  if (values.length < 2) return { mean, deviation: undefined };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** Clips from best to worst by PSNR, for the first seed. */
export function ranked(results: readonly ClipResult[]): ClipResult[] {
  const first = results.filter(({ seed }) => seed === results[0]!.seed);
  return first.sort((a, b) => b.mean.psnr - a.mean.psnr);
}

/** Published results of a released run. */
export interface Published {
  readonly psnr: number;
  /** By torchmetrics, with Gaussian windows. */
  readonly ssim: number;
  readonly lpips: number;
  readonly fvd: number;
}

/** Source: README of showlab/FAR at e59536a, and the paper's tables. */
const PUBLISHED: Readonly<Record<string, Published>> = {
  FAR_B_ucf101_res64_200K_bs32: { psnr: 25.64, ssim: 0.818, lpips: 0.037, fvd: 194.1 },
  FAR_B_bair_res64_200K_bs32: { psnr: 19.4, ssim: 0.819, lpips: 0.049, fvd: 144.3 },
  FAR_B_Long_dmlab_res64_1000K_bs32: { psnr: 22.3, ssim: 0.687, lpips: 0.104, fvd: 64 },
  FAR_M_Long_minecraft_res128_1000K_bs32: { psnr: 16.9, ssim: 0.448, lpips: 0.251, fvd: 39 },
};

/** Published results of a run's predictions. */
export function publishedOf(preset: Preset | undefined): Published | undefined {
  return preset && PUBLISHED[preset.name];
}
