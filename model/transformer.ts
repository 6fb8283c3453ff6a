import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { linear } from "../kernels/linear.ts";
import { patchify } from "../kernels/patchify.ts";
import { solverStep } from "../kernels/solver_step.ts";
import { block, type LayerCache, loadBlock, type PassContext, type Wanted } from "./block.ts";
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

/** adaLN modulation of a run: one row per (timestep, class) that occurs. */
export interface ModulationTables {
  /** Per block [R, 6 d]. */
  readonly blocks: readonly Tensor[];
  /** [R, 2 d]: scale, then shift (in this order, unlike the blocks'). */
  readonly out: Tensor;
}

/** A pass over frames of one kind. */
export interface ForwardInput {
  readonly sizes: FarSizes;
  /** [videos, capacity, C, h, w], clean frames and the one being denoised. */
  readonly latents: Tensor;
  readonly tables: ModulationTables;
  readonly caches: readonly LayerCache[];
  readonly pass: PassContext;
}

/** How far a pass goes. */
export interface ForwardOptions {
  /** Blocks, from the first on (all). */
  readonly blocks?: number;
  /**
   * Results needed from the last block (all frames). A pass that only fills the caches ends with
   * keys and values; a denoising step needs only these for all frames but the last.
   */
  readonly wanted?: Wanted;
}

/**
 * Embeds a pass's frames and runs the blocks.
 * @returns the residual stream [B, F, T, d], or [B, 1, T, d] of the last frame
 */
export function forward(
  p: Program,
  w: TransformerWeights,
  input: ForwardInput,
  { blocks = w.blocks.length, wanted = "all frames" }: ForwardOptions = {},
): Tensor {
  const { sizes, tables, caches, pass } = input;
  return p.scope(() => {
    let x = embed(p, w, input);
    for (const [i, weights] of w.blocks.slice(0, blocks).entries()) {
      const [table, cache] = [tables.blocks[i]!, caches[i]!];
      const isLast = i === w.blocks.length - 1;
      const options = {
        table,
        cache,
        sizes,
        pass,
        wanted: isLast ? wanted : "all frames" as const,
      };
      x = p.scope(() => block(p, weights, x, options));
    }
    return x;
  });
}

function embed(p: Program, w: TransformerWeights, input: ForwardInput): Tensor {
  const { sizes, latents, pass: { kind, frames } } = input;
  const context = kind === "context";
  const patch = context ? sizes.contextPatch! : sizes.patch;
  const embedder = context ? w.context_embedder! : w.x_embedder;
  return linear(p, embedder, patchify(p, latents, frames, patch), { label: "embed" });
}

/**
 * The head: normalised and projected tokens.
 * @param x [B, F, T, d]
 * @param frames [B, F] of `Frame`
 * @returns velocity tokens [B, F, T, C p p]
 */
export function velocity(
  p: Program,
  w: TransformerWeights,
  x: Tensor,
  { sizes, tables, frames }: Pick<ForwardInput, "sizes" | "tables"> & { readonly frames: Tensor },
): Tensor {
  const norm = { table: tables.out, frames, tokens: x.shape[2]!, scale: 0, shift: sizes.d };
  const to = p.scratch([...x.shape.slice(0, -1), w.proj_out.outputs]);
  return linear(p, w.proj_out, x, { norm, to, label: "proj_out" });
}

/** A whole denoising step: forward, velocity of the last frame, solver step on its latents. */
export function denoise(
  p: Program,
  w: TransformerWeights,
  input: ForwardInput & { readonly previous: Tensor; readonly step: DeviceBuffer },
): void {
  const { sizes, latents, previous, step, pass } = input;
  p.scope(() => {
    const x = forward(p, w, input, { wanted: "last frame" });
    const v = velocity(p, w, x, { ...input, frames: pass.lastFrame });
    solverStep(p, v, { latents, previous, step, patch: sizes.patch });
  });
}
