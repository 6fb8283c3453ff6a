import { bf16ToF32, f32ToBf16 } from "../weights/floats.ts";

/** How frame positions and timesteps are given to the model: exactly, or rounded to bfloat16. */
export const ROUNDINGS = ["exact", "bf16"] as const;
/** One of {@linkcode ROUNDINGS}. */
export type Rounding = typeof ROUNDINGS[number];

/**
 * A position or timestep as it is given to the model. The released runs computed in bfloat16, which
 * has 8 bits: from frame 256 on up to three frames share a position, and timestep 731 becomes 732.
 * Source: released `FAR.forward`, where both take the latents' type.
 */
export function rounded(value: number, rounding: Rounding): number {
  return rounding === "bf16" ? bf16ToF32(f32ToBf16(value)) : value;
}

/** Numbers a timestep is projected to. */
export const TIMESTEP_WIDTH = 256;
const ROPE_THETA = 10000;

/**
 * [cos(t w_i), sin(t w_i)] with w_i = 10000^(-i/127), i = 0..127.
 * @param t timestep, 0..1000, -1 for a clean frame, -2 for a context patch
 * Source: released `Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=1)`.
 */
export function timestepProjection(t: number): Float32Array {
  const half = TIMESTEP_WIDTH / 2;
  const out = new Float32Array(TIMESTEP_WIDTH);
  const { fround } = Math; // the released code rounds to float32 at each step
  const slope = fround(-Math.log(1e4));
  for (let i = 0; i < half; i++) {
    const frequency = fround(Math.exp(fround(fround(slope * i) / (half - 1))));
    const angle = fround(fround(t) * frequency);
    out[i] = Math.cos(angle);
    out[half + i] = Math.sin(angle);
  }
  return out;
}

/** (cos, sin) of every pair of one axis at a position: dim floats. Source: released `FluxPosEmbed`. */
export function ropeAngles(position: number, dim: number): Float32Array {
  const out = new Float32Array(dim);
  for (let i = 0; i < dim; i += 2) {
    const angle = position * ROPE_THETA ** (-i / dim);
    out[i] = Math.cos(angle);
    out[i + 1] = Math.sin(angle);
  }
  return out;
}

/** Row and column angles for positions 0..count-1: [count, rowDim + columnDim] floats. */
export function ropeSpace(count: number, rowDim: number, columnDim: number): Float32Array {
  const out = new Float32Array(count * (rowDim + columnDim));
  for (let position = 0; position < count; position++) {
    const at = position * (rowDim + columnDim);
    out.set(ropeAngles(position, rowDim), at);
    out.set(ropeAngles(position, columnDim), at + rowDim);
  }
  return out;
}
