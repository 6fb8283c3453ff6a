import code from "./solver_step.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { grid } from "./grid.ts";

const SOLVER_STEP = joinKernel("solver_step", code);

/** Tensors that a solver step reads and writes. */
export interface SolverStepOptions {
  /** [videos, capacity, c, h, w] f32, updated in place. */
  readonly latents: Tensor;
  /** [videos, c, h, w] f32, the velocity of the previous call. */
  readonly previous: Tensor;
  /** The `Step` numbers: latent_frame, c0, c1, guidance. */
  readonly step: DeviceBuffer;
  readonly patch: number;
}

/**
 * One step of a flow-matching solver, x += c0 v + c1 v_previous, guidance included.
 * @param velocity [B, 1, T, c p p] f32; B = 2 videos when guided, the unconditional half first
 * @throws {ShapeError}
 */
export function solverStep(p: Program, velocity: Tensor, options: SolverStepOptions): void {
  const { latents, previous, step, patch } = options;
  const [videos, capacity, channels, height, width] = latents.shape as number[];
  const guided = velocity.shape[0] === 2 * videos!;
  const tokens = height! * width! / patch ** 2;
  if ((!guided && velocity.shape[0] !== videos) || velocity.shape[2] !== tokens) {
    throw new ShapeError(`Cannot step latents [${latents.shape}] by [${velocity.shape}]`);
  }
  p.dispatch({
    kernel: SOLVER_STEP,
    constants: { GUIDED: Number(guided) },
    params: {
      videos: videos!,
      capacity: capacity!,
      channels: channels!,
      height: height!,
      width: width!,
      patch_size: patch,
      stride: velocity.shape.at(-1)!,
    },
    buffers: { step, velocity, previous, latents },
    groups: grid(videos! * channels! * height! * width!, 64),
  });
}
