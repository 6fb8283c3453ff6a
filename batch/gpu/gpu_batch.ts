import { bytesOf, joinBytes } from "../../app.ts";
import type { GenerateOptions, RunPlan } from "../../mod.ts";

/** One job of a GPU batch, with what it would generate alone. */
export interface BatchPart {
  readonly generate: GenerateOptions;
  readonly plan: RunPlan;
  /** [videos, frames, C, h, w]: the job's own, whatever else is in the batch. */
  readonly noise: Float32Array;
}

/** Jobs with equal keys can form one GPU batch. */
export function shapeKey({ generate, plan }: Omit<BatchPart, "noise">): string {
  const { width, height, contextFrames, generatedFrames, steps, guidance } = plan;
  const { solver, cache, actions, labels } = generate;
  const conditions = [actions !== undefined, labels !== undefined];
  const sizes = [width, height, contextFrames, generatedFrames, steps, guidance];
  return JSON.stringify([...sizes, solver ?? "euler", cache ?? true, ...conditions]);
}

/** All jobs as one run; videos keep the order of the jobs. */
export function joinParts(parts: readonly BatchPart[]): GenerateOptions {
  const { generate: first } = parts[0]!;
  const { rng: _rng, seed: _seed, ...shape } = first;
  return {
    ...shape,
    count: parts.reduce((sum, { plan }) => sum + plan.videos, 0),
    context: first.context && joinFloats(parts.map(contextOf)),
    noise: joinFloats(parts.map(({ noise }) => noise)),
    actions: first.actions &&
      parts.flatMap(({ generate, plan }) => repeat(generate.actions!, plan)),
    labels: first.labels &&
      parts.flatMap(({ generate: { labels }, plan }) =>
        labels!.length === 1 ? new Array<number>(plan.videos).fill(labels![0]!) : [...labels!]
      ),
  };
}

/** Options for planning the memory of any number of such videos. */
export function sampleOf({ generate }: BatchPart, videos: number): GenerateOptions {
  const { context, labels } = generate;
  const frame = context && 3 * generate.width! * generate.height! * generate.contextFrames!;
  return {
    ...generate,
    count: videos,
    noise: undefined,
    context: context?.subarray(0, frame),
    labels: labels && [labels[0]!],
  };
}

function repeat(actions: NonNullable<GenerateOptions["actions"]>, { videos }: RunPlan) {
  const lists = (typeof actions[0] === "number" ? [actions] : actions) as readonly number[][];
  return Array.from({ length: videos }, (_, i) => lists[lists.length === 1 ? 0 : i]!);
}

/** [videos, k, 3, H, W]: a context that all videos of a job share is repeated. */
function contextOf({ generate: { context, contextFrames }, plan }: BatchPart): Float32Array {
  const whole = plan.videos * contextFrames! * 3 * plan.width * plan.height;
  if (context!.length === whole) return context!;
  return joinFloats(new Array(plan.videos).fill(context!));
}

function joinFloats(arrays: readonly Float32Array[]): Float32Array {
  return arrays.length === 1 ? arrays[0]! : new Float32Array(joinBytes(arrays.map(bytesOf)).buffer);
}

/**
 * The most videos, up to `most`, that fit the device at once.
 * @param fits whether planning so many succeeds
 */
export function largestBatch(most: number, fits: (videos: number) => boolean): number {
  let videos = Math.max(1, most);
  while (videos > 1 && !fits(videos)) videos = Math.floor(videos / 2);
  return videos;
}
