import type { GuidanceMode } from "./session.ts";
import type { ModelInfo, WindowCache } from "../model/model.ts";
import { rounded, type Rounding } from "../model/embeddings.ts";
import { CpuGenerator, CudaGenerator } from "./noise.ts";
import { type NoiseSchedule, schedule, type Solver, type SolverCall } from "../model/scheduler.ts";

/** Options of `Pipeline.generate`. Frames are counted from the context on. */
export interface GenerateOptions {
  /** Frames to generate. */
  readonly frames: number;
  /** Videos at once (1). */
  readonly count?: number;
  /** Frames to continue, [count or 1, k, 3, height, width] in [0, 1]; 1 is shared by all videos. */
  readonly context?: Float32Array;
  /** How many frames `context` has (0). */
  readonly contextFrames?: number;
  /** Pixels; a multiple of `info.multiple`. By default the model's, without context. */
  readonly width?: number;
  /** Pixels; as `width`. */
  readonly height?: number;
  /** Action of every frame, context included; a list of lists gives one per video. */
  readonly actions?: readonly number[] | readonly (readonly number[])[];
  /** Class of each video; one is shared by all. */
  readonly labels?: readonly number[];
  /** Denoising steps per frame (50); the solver makes one or two model calls per step. */
  readonly steps?: number;
  /** Solver of the steps (euler). */
  readonly solver?: Solver;
  /** > 1 guided, -1 null classes only, anything else the conditional model alone (1). */
  readonly guidance?: number;
  /** Noise equals torch.randn([count, frames, C, h, w]) with this seed (0). */
  readonly seed?: number | bigint;
  /** Whose generator: PyTorch's on the CPU, or on CUDA (torch). */
  readonly rng?: "torch" | "cuda";
  /** Noise itself, [count, frames, C, h, w], instead of a seed. */
  readonly noise?: Float32Array;
  /** How frames are numbered for the model; `bf16` as in the released runs (the model's). */
  readonly positions?: Rounding;
  /** How timesteps reach the model; `bf16` as in the released runs (the model's). */
  readonly timesteps?: Rounding;
  /** How noise levels of the steps are spaced (the model's). */
  readonly schedule?: NoiseSchedule;
  /** Whether FAR_Long encodes its window again for each frame, as released (encode), or not. */
  readonly windowCache?: WindowCache;
  /** False recomputes in each step instead of using KV caches. */
  readonly cache?: boolean;
  /** Latents [count, done, C, h, w] of an interrupted run: frames 0..done-1. */
  readonly resume?: Float32Array;
}

/** Checked options with all defaults. */
export interface ResolvedOptions {
  readonly videos: number;
  readonly width: number;
  readonly height: number;
  /** Latent height and width, and numbers of one frame's latents. */
  readonly latent: { readonly height: number; readonly width: number; readonly volume: number };
  readonly contextFrames: number;
  readonly generated: number;
  /** Frames that come from `resume`. */
  readonly resumed: number;
  readonly calls: readonly SolverCall[];
  readonly steps: number;
  readonly guidance: number;
  readonly mode: GuidanceMode;
  readonly classOf: (video: number, frame: number) => number;
  readonly classes: readonly number[];
  readonly cache: boolean;
  readonly positions: Rounding;
  readonly windowCache: WindowCache;
}

/** Properties of a model that decide which options fit. */
export type OptionsInfo = Pick<
  ModelInfo,
  | "name"
  | "condition"
  | "channels"
  | "compression"
  | "multiple"
  | "positions"
  | "timesteps"
  | "schedule"
>;

/** Latent side of the released models' pictures, for models that do not name a size. */
const DEFAULT_LATENT_SIDE = 8;

/**
 * Checks every option against the model.
 * @throws {RangeError} a number outside its range, with the range
 * @throws {TypeError} options that do not fit the model or each other
 */
export function resolveOptions(o: GenerateOptions, info: OptionsInfo): ResolvedOptions {
  const videos = whole("count", o.count ?? 1, 1);
  const generated = whole("frames", o.frames, 1);
  const contextFrames = whole("context frames", o.contextFrames ?? 0, 0);
  const side = DEFAULT_LATENT_SIDE * info.compression;
  const width = pictureSide("width", o.width ?? side, info);
  const height = pictureSide("height", o.height ?? side, info);
  checkLength("context", o.context, [videos, contextFrames, 3, height, width], contextFrames > 0);
  const frame = [info.channels, height / info.compression, width / info.compression] as const;
  checkLength("noise", o.noise, [videos, generated, ...frame], false);
  const latent = { height: frame[1], width: frame[2], volume: frame[0] * frame[1] * frame[2] };
  const guidance = o.guidance ?? 1;
  if (!Number.isFinite(guidance)) {
    throw new RangeError(`guidance must be a number, not ${guidance}`);
  }
  const steps = o.steps ?? 50;
  const frames = contextFrames + generated;
  const timesteps = o.timesteps ?? info.timesteps;
  const calls = schedule(steps, o.solver ?? "euler", o.schedule ?? info.schedule)
    .map((call) => ({ ...call, timestep: rounded(call.timestep, timesteps) }));
  const { classOf, classes } = resolveClasses(o, info, videos, frames, guidance);
  return {
    videos,
    width,
    height,
    latent,
    contextFrames,
    generated,
    resumed: resumedFrames(o.resume, videos, latent.volume, contextFrames, frames),
    calls,
    steps,
    guidance,
    mode: guidanceMode(guidance, info),
    classOf,
    classes,
    cache: o.cache ?? true,
    positions: o.positions ?? info.positions,
    windowCache: o.windowCache ?? "encode",
  };
}

/** Noise of a run, [videos, generated, C, h, w]: given, or drawn from the seed. */
export function resolveNoise(o: GenerateOptions, run: ResolvedOptions): Float32Array {
  if (o.noise) return o.noise;
  const count = run.videos * run.generated * run.latent.volume;
  return new (o.rng === "cuda" ? CudaGenerator : CpuGenerator)(o.seed ?? 0).randn(count);
}

function whole(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new RangeError(`${name} must be a whole number of at least ${least}, not ${value}`);
}

function pictureSide(name: string, pixels: number, { multiple }: OptionsInfo): number {
  if (Number.isInteger(pixels) && pixels > 0 && pixels % multiple === 0) return pixels;
  throw new RangeError(
    `${name} must be a multiple of ${multiple} pixels for this model, not ${pixels}`,
  );
}

/**
 * Checks the length of an array of numbers. The first axis of a context may be 1: then it is shared
 * by all videos.
 * @throws {TypeError} names the shape that is needed
 */
export function checkLength(
  name: string,
  values: Float32Array | undefined,
  shape: readonly number[],
  needed: boolean,
): void {
  if (!values && !needed) return;
  const whole = shape.reduce((a, b) => a * b, 1);
  const shared = name === "context" ? whole / shape[0]! : whole;
  if (values?.length === whole || values?.length === shared) return;
  throw new TypeError(
    `${name} must be [${shape.join(", ")}], ${whole} numbers, but has ${
      values?.length ?? 0
    } numbers`,
  );
}

function resumedFrames(
  resume: Float32Array | undefined,
  videos: number,
  volume: number,
  contextFrames: number,
  frames: number,
): number {
  if (!resume) return 0;
  const done = resume.length / (videos * volume);
  if (Number.isInteger(done) && done >= contextFrames && done <= frames) return done;
  throw new TypeError(
    `Cannot resume: the latents have ${done} frames of this size, not ${contextFrames} to ${frames}`,
  );
}

function guidanceMode(guidance: number, { condition }: OptionsInfo): GuidanceMode {
  // without a condition both halves are the same, and guidance changes nothing
  if (condition.kind === "none") return "conditional";
  return guidance > 1 ? "both" : guidance === -1 ? "null" : "conditional";
}

function resolveClasses(
  o: GenerateOptions,
  info: OptionsInfo,
  videos: number,
  frames: number,
  guidance: number,
): Pick<ResolvedOptions, "classOf" | "classes"> {
  const { kind, count } = info.condition;
  if (o.actions && kind !== "action") throw new TypeError(`${info.name} takes no actions`);
  if (o.labels && kind !== "label") throw new TypeError(`${info.name} takes no labels`);
  if (kind === "none" || (guidance === -1 && !o.actions && !o.labels)) {
    return { classOf: () => count, classes: [count] };
  }
  const lists = classLists(o, kind, videos);
  for (const [video, list] of lists.entries()) {
    if (kind === "action" && list.length !== frames) {
      throw new RangeError(
        `Video ${video} has ${list.length} actions for ${frames} frames (context and generated): ` +
          "give one action per frame",
      );
    }
    // the null class, index `count`, stands for an unknown action
    const bad = list.find((c) => !Number.isInteger(c) || c < 0 || c > count);
    if (bad !== undefined) {
      throw new RangeError(`${kind} ${bad} is not one of the model's: 0 to ${count - 1}`);
    }
  }
  const classOf = kind === "label"
    ? (video: number) => lists[video]![0]!
    : (video: number, frame: number) => lists[video]![frame]!;
  return { classOf, classes: [...new Set(lists.flat())] };
}

/** Labels as lists of one, or lists of actions: one for each video. */
function classLists(
  { actions, labels }: GenerateOptions,
  kind: "label" | "action",
  videos: number,
): readonly (readonly number[])[] {
  const given = kind === "label" ? labels?.map((label) => [label]) : actions;
  if (!given?.length) {
    const needed = kind === "label"
      ? "a class: give `labels`"
      : "actions: give `actions`, one per frame";
    throw new TypeError(`This model needs ${needed}`);
  }
  const lists = (typeof given[0] === "number" ? [given] : given) as readonly number[][];
  if (lists.length !== 1 && lists.length !== videos) {
    const what = kind === "label" ? "labels" : "lists of actions";
    throw new RangeError(
      `Cannot use ${lists.length} ${what} for ${videos} videos: give 1 or ${videos}`,
    );
  }
  return Array.from({ length: videos }, (_, i) => lists[i % lists.length]!);
}
