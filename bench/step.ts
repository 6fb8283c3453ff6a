import { GpuError } from "../gpu/errors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { Memory } from "../gpu/memory.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import type { GpuTimer, LabelTiming } from "../gpu/timing.ts";
import { totalWork, type Work } from "../kernels/work.ts";
import { checkMemory } from "../run/memory_check.ts";
import type { DeclaredModel, WindowCache } from "../model/model.ts";
import { CLEAN, CONTEXT } from "../model/modulation.ts";
import { Session, type SessionPass } from "../run/session.ts";
import { measure, type Measured, type MeasureOptions } from "./measure.ts";

/** A timestep; any other costs the same. */
const TIMESTEP = 500;
const CLASS = 0;

/** Latent height and width. */
export interface LatentSize {
  /** Latent size along this axis. */
  readonly height: number;
  /** Latent size along this axis. */
  readonly width: number;
}

/** One model call for the frame with this index, all frames before it clean. */
export interface StepCase {
  /** Index of the denoised frame. */
  readonly frame: number;
  /** A frame's first call, which also caches what is new, or any later one. */
  readonly kind: "first" | "later";
  /** At once (1). */
  readonly videos?: number;
  /** How a long model's window is treated (encode). */
  readonly windowCache?: WindowCache;
}

/** The passes of a model call, and their work. */
export interface RecordedStep {
  readonly session: Session;
  readonly passes: readonly SessionPass[];
  readonly work: Work & { readonly dispatches: number; readonly passes: number };
}

/** Records a model call as a run of `frame + 1` frames of one video makes it; needs no device. */
export function recordStep(
  { transformer, sizes, dtype }: Pick<DeclaredModel, "transformer" | "sizes" | "dtype">,
  memory: Memory,
  device: DeviceProfile,
  { height, width }: LatentSize,
  { frame, kind, videos = 1, windowCache }: StepCase,
): RecordedStep {
  const session = new Session(transformer, sizes, memory, device, {
    videos,
    height,
    width,
    contextFrames: 0,
    frames: frame + 1,
    guidance: "conditional",
    classes: Array(videos).fill(CLASS),
    timesteps: [TIMESTEP],
    cache: true,
    windowCache,
    cacheDtype: dtype,
  });
  session.assumeCached(frame);
  const first = session.passes(frame, true);
  const passes = kind === "first" ? first : session.passes(frame, false);
  return { session, passes, work: workOfPasses(passes) };
}

/** Counts the work of passes. */
export function workOfPasses(passes: readonly SessionPass[]): RecordedStep["work"] {
  const sum = { flops: 0, read: 0, stored: 0, written: 0, dispatches: 0, passes: passes.length };
  for (const { plan, program } of passes) {
    const { flops, read, stored, written } = totalWork(program.recorded, plan);
    sum.flops += flops;
    sum.read += read;
    sum.stored += stored;
    sum.written += written;
    sum.dispatches += program.dispatches;
  }
  return sum;
}

/** Writes the inputs of a pass besides weights and caches. */
export function prepare(gpu: Gpu, { session, passes }: RecordedStep, at: number): void {
  const { plan } = passes[at]!;
  const clean = plan.kind === "context" ? CONTEXT : CLEAN;
  const noisy = plan.final ? plan.frames.at(-1) : undefined;
  const rowOf = (_: number, frame: number) =>
    session.rows.row(frame === noisy ? TIMESTEP : clean, CLASS);
  session.writeInputs(gpu, plan, rowOf, { c0: 0, c1: 0, guidance: 1 });
}

/** A model call, measured. */
export interface StepResult extends StepCase {
  /** Seconds per model call. */
  readonly seconds: Measured;
  /** @internal Work per model call. */
  readonly work: RecordedStep["work"];
  /** Time per label, with one pass per dispatch; undefined unless requested and measurable. */
  readonly profile: readonly LabelTiming[] | undefined;
}

/**
 * Measures a model call. The caches lack the contents of earlier frames, which changes values, not
 * time.
 * @throws {GpuError} `limit`: more memory than the device has
 * @internal
 */
export async function measureStep(
  gpu: Gpu,
  timer: GpuTimer,
  model: DeclaredModel,
  size: LatentSize,
  step: StepCase,
  options: MeasureOptions & { readonly profile?: boolean },
): Promise<StepResult> {
  const memory = new Memory();
  const recorded = recordStep(model, memory, gpu.adapter, size, step);
  checkMemory(gpu, [memory], { what: `frame ${step.frame}`, lowers: "fewer `framesAt`" });
  try {
    memory.allocate(gpu);
    await gpu.idle();
    recorded.session.start(gpu);
    const { passes, work } = recorded;
    const enqueue = (times: number) => {
      for (let i = 0; i < times; i++) {
        for (const [at, { program }] of passes.entries()) {
          prepare(gpu, recorded, at);
          timer.run(program);
        }
      }
    };
    const seconds = await measure(timer, enqueue, options);
    const last = passes.at(-1);
    if (!last) throw new GpuError("internal", `Cannot measure frame ${step.frame}: no pass`);
    const profile = options.profile ? await timer.profile(last.program) : undefined;
    return { ...step, seconds, work, profile };
  } finally {
    memory.free(gpu);
  }
}
