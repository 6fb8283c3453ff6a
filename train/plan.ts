import type { Dispatch, Program } from "../gpu/program.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import { type DeviceBuffer, type Memory, size } from "../gpu/memory.ts";
import { checkDistill } from "./distill/settings.ts";
import { type Division, Engine, longestLayout } from "./engine.ts";
import type { Copy, Parameter, ParameterStore } from "./parameters.ts";
import type { TrainerSettings } from "./settings.ts";

/** Needs of a run, computed without a device. */
export interface TrainPlan {
  /** Bytes by kind. */
  readonly bytes: {
    readonly weights: number;
    readonly gradients: number;
    readonly moments: number;
    readonly ema: number;
    /** Weights of the teacher, where a model is distilled. */
    readonly teacher: number;
    readonly activations: number;
    readonly total: number;
  };
  /** Videos that the device computes at once. */
  readonly microBatch: number;
  /** Whether blocks are computed twice to save memory. */
  readonly recompute: boolean;
  /**
   * FLOPs of products and attention per optimiser step; of the longest step, if lengths are drawn.
   */
  readonly flops: number;
  /** Kernel calls per micro-batch. */
  readonly dispatches: number;
  /** Number of trained values. */
  readonly trained: number;
  /** Number of values in all parameters, adapters included. */
  readonly parameters: number;
}

/** Limits of a run. */
export interface TrainLimits {
  /** Total bytes. */
  readonly memory?: number;
  /** Bytes of one buffer. */
  readonly buffer?: number;
  /** Bytes of one image, which software adapters gather from. */
  readonly texture?: number;
}

/**
 * Divides a step so that it fits: whole if possible, then with blocks recomputed, then with fewer
 * videos at a time. If nothing fits, it takes the smallest division.
 * @throws {RangeError} names settings that contradict each other or the model
 */
export function planTraining(
  settings: TrainerSettings,
  device: DeviceProfile,
  limits: TrainLimits,
): { readonly plan: TrainPlan; readonly engine: Engine } {
  checkSettings(settings);
  const make = (division: Division) => new Engine(settings, device, division);
  const engine = firstThatFits(divisions(settings.batch, settings), make, limits);
  return { engine, plan: describe(engine) };
}

/** Ways to divide so many samples, from the fastest to the one that takes the least memory. */
export function* divisions(
  samples: number,
  { microBatch, recompute = "auto" }: Pick<TrainerSettings, "microBatch" | "recompute">,
): Generator<Division> {
  let count = microBatch ?? samples;
  while (true) {
    if (recompute !== true) yield { microBatch: count, recompute: false };
    if (recompute !== false) yield { microBatch: count, recompute: true };
    if (count === 1 || microBatch !== undefined) return;
    count = Math.ceil(count / 2);
  }
}

/** The engine of the first division that fits, or of the last. */
export function firstThatFits<E extends { readonly memory: Memory }>(
  divisions: Iterable<Division>,
  make: (division: Division) => E,
  limits: TrainLimits,
): E {
  let found: E | undefined;
  for (const division of divisions) {
    found = make(division);
    if (fits(found.memory, limits)) break;
  }
  return found!;
}

function fits(memory: Memory, limits: TrainLimits): boolean {
  const isSmall = ({ kind, bytes }: DeviceBuffer) => {
    if (kind === "uniform") return true;
    return bytes <= ((kind === "storage" ? limits.buffer : limits.texture) ?? Infinity);
  };
  return memory.bytes <= (limits.memory ?? Infinity) && memory.buffers.every(isSmall);
}

function describe(engine: Engine): TrainPlan {
  const { settings, division, store, memory, parameters: { all, isTrained } } = engine;
  const { microBatch } = division;
  const videos = settings.batch * settings.accumulate;
  const whole = Math.floor(videos / microBatch);
  const parts = Array.from({ length: whole }, () => microBatch);
  if (videos % microBatch) parts.push(videos % microBatch);
  const passes = parts.flatMap((count, part) => {
    const layout = longestLayout(settings, count);
    const trained = Array.from({ length: settings.distill?.steps ?? 1 }, (_, step) => {
      const kind = part === 0 && step === 0 ? "train" : "train more";
      return engine.pass(layout, kind).program;
    });
    return [...engine.distiller?.programs(layout) ?? [], ...trained];
  });
  const programs = [...passes, engine.update];
  return describePlan({ ...division, store, memory, all, isTrained, programs }, {
    flopsOf,
    teacher: engine.distiller?.bytes ?? 0,
  });
}

/** What a plan is made of. */
interface PlannedStep extends Division {
  readonly store: Pick<ParameterStore, "groups">;
  readonly memory: Memory;
  readonly all: readonly Parameter[];
  readonly isTrained: (name: string) => boolean;
  /** All that an optimiser step runs. */
  readonly programs: readonly Program[];
}

/** The needs of a step. @param teacher bytes of its weights */
export function describePlan(
  { store, memory, all, isTrained, programs, microBatch, recompute }: PlannedStep,
  { flopsOf, teacher }: {
    readonly flopsOf: (dispatch: Dispatch) => number;
    readonly teacher: number;
  },
): TrainPlan {
  const copies = (...names: Copy[]) =>
    store.groups.reduce(
      (sum, group) => names.reduce((s, name) => s + (group.copies[name]?.buffer.bytes ?? 0), sum),
      0,
    );
  const bytes = {
    weights: copies("weight"),
    gradients: copies("gradient"),
    moments: copies("moment", "square"),
    ema: copies("shadow"),
    teacher,
  };
  const kept = Object.values(bytes).reduce((sum, part) => sum + part, 0);
  const numbers = (trained: boolean) =>
    all.reduce((sum, { name, shape }) => sum + (!trained || isTrained(name) ? size(shape) : 0), 0);
  return {
    bytes: { ...bytes, activations: memory.bytes - kept, total: memory.bytes },
    microBatch,
    recompute,
    flops: programs.flatMap(({ recorded }) => recorded.map(flopsOf)).reduce((a, b) => a + b, 0),
    dispatches: programs.reduce((sum, { dispatches }) => sum + dispatches, 0),
    trained: numbers(true),
    parameters: numbers(false),
  };
}

/** FLOPs per pair of a query and a key it attends to, per channel of a head. */
const ATTENTION_FLOPS: Readonly<Record<string, number>> = {
  causal_attention: 4,
  causal_attention_queries: 6,
  causal_attention_keys: 8,
};

function flopsOf({ kernel: { name }, params = {}, constants = {} }: Dispatch): number {
  const p = params as Readonly<Record<string, number>>;
  if (name.startsWith("matmul")) return 2 * p.m! * p.n! * p.r!;
  const plain = name.replace(/_(broadcast|image|half).*$/, "");
  const perPair = ATTENTION_FLOPS[plain];
  if (perPair === undefined) return 0;
  const pairs = seenPairs({ ...p, twins: constants.TWINS! }, plain === "causal_attention_keys");
  return perPair * 64 * p.heads! * p.videos! * pairs;
}

/** Pairs of a query and a key in one dispatch, per video and head. */
function seenPairs(p: Readonly<Record<string, number>>, byKey: boolean): number {
  const context = p.context_frames!;
  const length = p.window_frames! / (1 + p.twins!);
  const clean = context + length; // noisy twins of the last ones follow
  const start = (frame: number) =>
    Math.min(frame, context) * p.context_tokens! + Math.max(0, frame - context) * p.window_tokens!;
  const keys = (frame: number) =>
    frame < clean ? start(frame + 1) : start(frame - length) + p.tokens!;
  const queries = (frame: number) => {
    if (frame >= clean) return p.tokens!;
    const later = start(clean) - start(Math.max(frame + 1, context));
    return start(clean) - start(frame) + p.twins! * later;
  };
  const frames = Array.from({ length: p.frames! }, (_, i) => p.first_frame! + i);
  return frames.reduce((sum, at) => sum + p.tokens! * (byKey ? queries(at) : keys(at)), 0);
}

const COUNTS = ["batch", "frames", "accumulate", "height", "width", "steps"] as const;

/** @throws {RangeError} names the first number that is none */
export function checkCounts(settings: Pick<TrainerSettings, typeof COUNTS[number]>): void {
  const bad = COUNTS.find((name) => !Number.isInteger(settings[name]) || settings[name] < 1);
  if (bad === undefined) return;
  throw new RangeError(
    `Cannot train: ${bad} must be a whole number above 0, not ${settings[bad]}`,
  );
}

/** @throws {RangeError} names the first wrong setting */
export function checkSettings(settings: TrainerSettings): void {
  const { config, height, width, frames, trainingType } = settings;
  const wrong = (what: string) => new RangeError(`Cannot train: ${what}`);
  checkCounts(settings);
  if (settings.distill) checkDistill(settings.distill, settings);
  const patch = config.contextPatch ?? config.patch;
  if (height % patch || width % patch) {
    throw wrong(`latents of ${height}x${width} cannot be divided into patches of ${patch}`);
  }
  if (trainingType !== "long_context") return;
  if (config.condition.kind === "label") {
    throw wrong("long context takes actions or no condition, not labels");
  }
  if (frames <= config.trainedWindow) {
    throw wrong(
      `${frames} frames leave no long context beyond a window of ${config.trainedWindow}`,
    );
  }
}
