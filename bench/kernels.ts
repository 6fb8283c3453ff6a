import type { Gpu } from "../gpu/gpu.ts";
import { Memory, type Tensor } from "../gpu/memory.ts";
import type { Dispatch, Program } from "../gpu/program.ts";
import type { GpuTimer } from "../gpu/timing.ts";
import { type PassWork, type Work, workOf } from "../kernels/work.ts";
import { FrameCodec } from "../run/frame_codec.ts";
import type { DeclaredModel } from "../model/model.ts";
import type { ArchitectureName } from "../released/presets.ts";
import { measure, type Measured, type MeasureOptions } from "./measure.ts";
import { prepare, recordStep } from "./step.ts";
import { declareSynthetic } from "./synthetic_model.ts";

/** Latent side of every released model. */
const SIDE = 8;

export type { Work };

/** One kernel at one shape. */
export interface KernelResult {
  /** Where the shape comes from: an architecture, or the released 8x decoder. */
  readonly model: string;
  /** What the kernel computes. */
  readonly label: string;
  /** The kernel's name: a label may stand for several variants. */
  readonly kernel: string;
  /** Sizes, as text. */
  readonly shape: string;
  /** Seconds per call. */
  readonly seconds: Measured;
  /** Work per call. */
  readonly work: Work;
}

/** Which kernels to measure. */
export interface KernelOptions extends MeasureOptions {
  /** Type of weights and caches. */
  readonly dtype: "f32" | "f16";
  /** Frames before the noisy one: 64 keys each. */
  readonly frames: readonly number[];
}

/**
 * Measures every kernel of an architecture's step: all at the first of `frames`, attention at each.
 * They are dispatches of a recorded step (of a model cut to one block), so shapes and variants are
 * the model's own.
 */
export async function* measureArchitecture(
  gpu: Gpu,
  timer: GpuTimer,
  architecture: ArchitectureName,
  options: KernelOptions,
): AsyncGenerator<KernelResult> {
  const model = declareSynthetic({
    device: gpu.adapter,
    architecture,
    dtype: options.dtype,
    layers: 1,
    only: "transformer",
  });
  const size = { height: SIDE, width: SIDE };
  try {
    await model.fill(gpu);
    for (const [i, frame] of options.frames.entries()) {
      const memory = new Memory();
      const step = recordStep(model, memory, gpu.adapter, size, { frame, kind: "later" });
      const { plan, program } = step.passes[0]!;
      try {
        memory.allocate(gpu);
        step.session.start(gpu);
        prepare(gpu, step, 0);
        const wanted = (label: string) => i === 0 || /^attention(_|$)/.test(label);
        const pass = { program, plan, wanted };
        yield* measureDispatches(timer, architecture, pass, options);
      } finally {
        memory.free(gpu);
      }
    }
  } finally {
    model.memory.free(gpu);
  }
}

/** Measures the convolutions and other kernels of the released 8x decoder, for one 64x64 frame. */
export async function* measureDecoder(
  gpu: Gpu,
  timer: GpuTimer,
  options: KernelOptions,
): AsyncGenerator<KernelResult> {
  const model = declareSynthetic({
    device: gpu.adapter,
    architecture: "FAR_B",
    dtype: options.dtype,
    layers: 1,
    only: "autoencoder",
  });
  const memory = new Memory();
  const { decoder } = declareCodec(gpu, model, memory);
  try {
    await model.fill(gpu);
    memory.allocate(gpu);
    const wanted = (label: string) => !/image|latents/.test(label);
    yield* measureDispatches(timer, "8x decoder", { program: decoder, wanted }, options);
  } finally {
    memory.free(gpu);
    model.memory.free(gpu);
  }
}

/** An autoencoder with its own single frame. */
export function declareCodec(
  gpu: Gpu,
  model: Pick<DeclaredModel, "vae" | "autoencoder">,
  memory: Memory,
  side = SIDE,
): FrameCodec {
  const latents = memory.tensor("latents", [1, 1, model.vae.latentChannels, side, side]);
  return new FrameCodec(model, memory, gpu.adapter, latents);
}

interface MeasuredPass {
  readonly program: Program;
  readonly plan?: PassWork;
  readonly wanted: (label: string) => boolean;
}

/** Each kind of dispatch of a program once. */
async function* measureDispatches(
  timer: GpuTimer,
  model: string,
  { program, plan, wanted }: MeasuredPass,
  options: MeasureOptions,
): AsyncGenerator<KernelResult> {
  const seen = new Set<string>();
  for (const [i, dispatch] of program.recorded.entries()) {
    const label = program.labels[i]!;
    const shape = shapeText(dispatch, plan);
    const kind = `${label} ${shape} ${JSON.stringify(dispatch.constants)}`;
    if (seen.has(kind) || !wanted(label)) continue;
    seen.add(kind);
    const seconds = await measure(
      timer,
      (times) => timer.run(program, i, i + 1, times),
      options,
    );
    const work = workOf(dispatch, plan);
    yield { model, label, kernel: dispatch.kernel.name, shape, seconds, work };
  }
}

/** Sizes that distinguish the calls of a kernel. */
function shapeText({ kernel, params = {}, buffers }: Dispatch, pass: PassWork | undefined): string {
  const { m, k, n, queries, heads, height, width } = params;
  if (kernel.name.startsWith("conv2d")) return `${height}x${width} ${k} -> ${n}`;
  if (m !== undefined && n !== undefined) return `${m}x${k}x${n}`;
  if (queries !== undefined) {
    return `${queries} queries, ${pass?.keys.at(-1)} keys, ${heads} heads`;
  }
  const output = [...kernel.bindings].find(([, { writable }]) => writable)?.[0];
  const bound = output === undefined ? undefined : buffers[output];
  return bound && "shape" in bound ? (bound as Tensor).shape.join("x") : "";
}
