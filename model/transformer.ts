import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { lastFrame } from "../kernels/last_frame.ts";
import { linear } from "../kernels/linear.ts";
import { patchify } from "../kernels/patchify.ts";
import { solverStep } from "../kernels/solver_step.ts";
import { type LayerCache, loadBlock, mix, type PassContext, project } from "./block.ts";
import type { FarSizes } from "./config.ts";
import { TIMESTEP_WIDTH } from "./embeddings.ts";
import type { Loader } from "./loader.ts";

/** Weights of FAR and FAR_Long; keys are the checkpoint's. */
export function loadTransformer(l: Loader, sizes: FarSizes) {
  const { d, layers, channels, patch, contextPatch, condition } = sizes;
  const { kind, count } = condition;
  return {
    x_embedder: l.linear("x_embedder", [d, channels * patch ** 2]),
    context_embedder: contextPatch === undefined
      ? undefined
      : l.linear("context_embedder", [d, channels * contextPatch ** 2]),
    timestep_embedder: {
      linear_1: l.linear("timestep_embedder.linear_1", [d, TIMESTEP_WIDTH]),
      linear_2: l.linear("timestep_embedder.linear_2", [d, d]),
    },
    /** Classes and, last, the null class. */
    classes: kind === "none"
      ? undefined
      : l.table(`${kind}_embedder.embedding_table.weight`, [count + 1, d]),
    blocks: Array.from(
      { length: layers },
      (_, i) => loadBlock(l.at(`transformer_blocks.${i}`), sizes, i === layers - 1),
    ),
    norm_out: { linear: l.linear("norm_out.linear", [2 * d, d]) },
    proj_out: l.linear("proj_out", [channels * patch ** 2, d]),
  };
}

export type TransformerWeights = ReturnType<typeof loadTransformer>;

/** Tensors of released checkpoints that inference does not use. */
export function isUnusedByInference(name: string): boolean {
  return name.startsWith("context_proj_out.");
}

/** adaLN numbers of a run: a row for every (timestep, class) that occurs. */
export interface ModulationTables {
  /** Per block [R, 6 d]. */
  readonly blocks: readonly Tensor[];
  /** [R, 2 d]: scale, then shift (in this order, unlike the blocks'). */
  readonly out: Tensor;
}

/** A pass over frames of one kind. */
export interface ForwardInput {
  /** [videos, capacity, C, h, w], clean frames and the one that is denoised. */
  readonly latents: Tensor;
  readonly tables: ModulationTables;
  readonly caches: readonly LayerCache[];
  readonly pass: PassContext;
}

/**
 * Embeds a pass's frames and runs blocks on all of them.
 * @param count of blocks, from the first on
 * @returns the residual stream [B, F, T, d]
 */
export function forward(
  p: Program,
  w: TransformerWeights,
  sizes: FarSizes,
  { latents, tables, caches, pass }: ForwardInput,
  count: number,
): Tensor {
  const context = pass.kind === "context";
  const patch = context ? sizes.contextPatch! : sizes.patch;
  const embedder = context ? w.context_embedder! : w.x_embedder;
  return p.scope(() => {
    const x = linear(p, embedder, patchify(p, latents, pass.frames, patch), { label: "embed" });
    for (const [i, weights] of w.blocks.slice(0, count).entries()) {
      const [table, cache] = [tables.blocks[i]!, caches[i]!];
      p.scope(() => {
        const q = project(p, weights, x, table, cache, sizes, pass);
        mix(p, weights, x, q, table, cache, sizes, pass);
      });
    }
    return x;
  });
}

/**
 * The head: normalised and projected tokens.
 * @param x [B, F, T, d]
 * @param frames [B, F, 4] as in the pass
 * @returns velocity tokens [B, F, T, C p p]
 */
export function velocity(
  p: Program,
  w: TransformerWeights,
  sizes: FarSizes,
  x: Tensor,
  tables: ModulationTables,
  frames: Tensor,
): Tensor {
  const norm = { table: tables.out, frames, tokens: x.shape[2]!, scale: 0, shift: sizes.d };
  return linear(p, w.proj_out, x, { norm, label: "proj_out" });
}

/** A pass that only fills the caches: clean frames, long-term context. Keys end the last block. */
export function encodeFrames(
  p: Program,
  w: TransformerWeights,
  sizes: FarSizes,
  input: ForwardInput,
): void {
  const last = w.blocks.length - 1;
  p.scope(() => {
    const x = forward(p, w, sizes, input, last);
    const { tables, caches, pass } = input;
    project(p, w.blocks[last]!, x, tables.blocks[last]!, caches[last]!, sizes, pass);
  });
}

/**
 * A whole denoising step: forward, velocity of the last frame, solver step on its latents. Of the
 * last block the other frames need nothing but keys and values.
 */
export function denoise(
  p: Program,
  w: TransformerWeights,
  sizes: FarSizes,
  input: ForwardInput & { readonly previous: Tensor; readonly step: DeviceBuffer },
): void {
  const { latents, previous, step, tables, caches, pass } = input;
  const last = w.blocks.length - 1;
  const [weights, table, cache] = [w.blocks[last]!, tables.blocks[last]!, caches[last]!];
  const frames = pass.lastFrame;
  p.scope(() => {
    const all = forward(p, w, sizes, input, last);
    const q = lastFrame(p, project(p, weights, all, table, cache, sizes, pass));
    const x = lastFrame(p, all);
    mix(p, weights, x, q, table, cache, sizes, { ...pass, frames });
    const v = velocity(p, w, sizes, x, tables, frames);
    solverStep(p, v, { latents, previous, step, patch: sizes.patch });
  });
}
