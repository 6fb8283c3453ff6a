import { patchIndex } from "./patchify.ts";

/** What a solver step of one video starts from. */
export interface SolverState {
  /** [c, h, w] of the frame that is denoised. */
  readonly x: Float32Array;
  /** Velocity of the call before. */
  readonly previous: Float32Array;
}

/**
 * x + c0 v + c1 v_previous with v = v_u + guidance (v_c - v_u).
 * @param velocity tokens [T, stride]: the conditional half, and the unconditional one if guided
 */
export function solverStepReference(
  { x, previous }: SolverState,
  velocity: { conditional: Float32Array; unconditional?: Float32Array; stride: number },
  { c0, c1, guidance }: { c0: number; c1: number; guidance: number },
  [channels, height, width]: readonly [number, number, number],
  patch: number,
): SolverState {
  const next = { x: new Float32Array(x.length), previous: new Float32Array(x.length) };
  for (let i = 0; i < x.length; i++) {
    const place = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    const at = patchIndex(place as [number, number, number], [channels, width], patch);
    const j = at.token * velocity.stride + at.feature;
    let v = velocity.conditional[j]!;
    if (velocity.unconditional) {
      const u = velocity.unconditional[j]!;
      v = u + guidance * (v - u);
    }
    next.x[i] = x[i]! + c0 * v + c1 * previous[i]!;
    next.previous[i] = v;
  }
  return next;
}
