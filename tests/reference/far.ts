import type { FarSizes } from "../../model/config.ts";
import { attentionReference } from "./attention.ts";
import { layerNormReference } from "./layer_norm.ts";
import { gelu, linearReference, silu } from "./linear.ts";
import { patchifyReference, patchIndex } from "./patchify.ts";
import { headAngles, normAndRotate } from "./qk_norm_rope.ts";

/** A checkpoint in memory: values by name. */
export type PlainWeights = ReadonlyMap<string, Float32Array>;

/** A video whose last frame is noisy. */
export interface PlainInput {
  /** Frames [C, h, w], the noisy one last. */
  readonly frames: readonly Float32Array[];
  readonly height: number;
  readonly width: number;
  /** Timestep of the noisy frame, 0..1000. */
  readonly timestep: number;
  /** Class of each frame; undefined without a condition. */
  readonly classes: readonly number[] | undefined;
  /** Frame index of the first frame (0). */
  readonly first?: number;
  /** Position of a frame by its index (the index). */
  readonly positionOf?: (frame: number) => number;
}

/** One token: which frame of the input modulates it, where it is, and in which patches it came. */
interface Token {
  readonly frame: number;
  readonly position: readonly [frame: number, row: number, column: number];
  readonly context: boolean;
}

/** Tokens of all frames, in order, and the residual stream. */
interface Stream {
  readonly tokens: readonly Token[];
  readonly x: Float64Array;
  /** Per frame, through SiLU. */
  readonly temb: readonly Float32Array[];
}

/**
 * The velocity [C, h, w] of the noisy frame, by plain loops: all frames in one forward pass without
 * a cache, long-term context in its own patches.
 */
export function velocityReference(w: PlainWeights, sizes: FarSizes, input: PlainInput) {
  const stream = embed(w, sizes, input);
  for (let layer = 0; layer < sizes.layers; layer++) {
    block(w, sizes, `transformer_blocks.${layer}`, stream, layer === sizes.layers - 1);
  }
  return head(w, sizes, stream, input);
}

function dense(w: PlainWeights, name: string, x: ArrayLike<number>, k: number): Float32Array {
  const weight = w.get(`${name}.weight`)!;
  const shape: [number, number, number] = [x.length / k, k, weight.length / k];
  return linearReference(x, weight, w.get(`${name}.bias`), shape);
}

function embed(w: PlainWeights, sizes: FarSizes, input: PlainInput): Stream {
  const { frames, height, width, timestep, classes, first = 0 } = input;
  const { positionOf = (frame: number) => frame } = input;
  const { patch, contextPatch, channels, d } = sizes;
  const longTerm = frames.length - Math.min(frames.length, sizes.window);
  const table = [...w].find(([name]) => name.endsWith("embedding_table.weight"))?.[1];
  const tokens: Token[] = [];
  const rows: number[] = [];
  const temb: Float32Array[] = [];
  for (const [i, frame] of frames.entries()) {
    const context = i < longTerm;
    const side = context ? contextPatch! : patch;
    const cut = patchifyReference(frame, [channels, height, width], side);
    const name = context ? "context_embedder" : "x_embedder";
    rows.push(...dense(w, name, cut, channels * side ** 2));
    for (let row = 0; row < height / side; row++) {
      for (let column = 0; column < width / side; column++) {
        const spread = side / patch;
        const position = [positionOf(first + i), row * spread, column * spread] as const;
        tokens.push({ frame: i, position, context });
      }
    }
    const t = i === frames.length - 1 ? timestep : context ? -2 : -1;
    const hidden = dense(w, "timestep_embedder.linear_1", sinusoid(t), 256).map(silu);
    const class_ = classes && table?.subarray(classes[i]! * d);
    const sum = dense(w, "timestep_embedder.linear_2", hidden, d).map((v, j) =>
      v + (class_?.[j] ?? 0)
    );
    temb.push(sum.map(silu));
  }
  return { tokens, x: Float64Array.from(rows), temb };
}

function sinusoid(t: number): number[] {
  const angles = Array.from({ length: 128 }, (_, i) => t * 10000 ** (-i / 127));
  return [...angles.map(Math.cos), ...angles.map(Math.sin)];
}

function block(w: PlainWeights, sizes: FarSizes, at: string, stream: Stream, last: boolean): void {
  const { tokens, x } = stream;
  const { d } = sizes;
  const mlp = (y: ArrayLike<number>) =>
    dense(w, `${at}.mlp.net.2`, dense(w, `${at}.mlp.net.0.proj`, y, d).map(gelu), 4 * d);
  const halves = [
    { norm: "norm1", run: (y: Float64Array) => attend(w, sizes, `${at}.attn`, tokens, y, last) },
    { norm: "norm2", run: mlp },
  ];
  for (const { norm, run } of halves) {
    const mods = stream.temb.map((temb) => dense(w, `${at}.${norm}.linear`, temb, d));
    const part = (row: number, n: number) => mods[tokens[row]!.frame]!.subarray(n * d);
    const y = run(
      layerNormReference(x, d, (row) => ({ shift: part(row, 0), scale: part(row, 1) })),
    );
    for (const i of x.keys()) x[i]! += part(Math.floor(i / d), 2)[i % d]! * y[i]!;
  }
}

function attend(
  w: PlainWeights,
  { d, heads, axes, slope }: FarSizes,
  at: string,
  tokens: readonly Token[],
  y: Float64Array,
  last: boolean,
): Float32Array {
  const project = (plain: string, added: string) =>
    rowwise(
      tokens,
      y,
      d,
      (row, { context }) => dense(w, `${at}.${context ? added : plain}`, row, d),
    );
  const q = project("to_q", "add_q_proj");
  const k = project("to_k", "add_k_proj");
  const v = project("to_v", "add_v_proj");
  const out = new Float64Array(y.length);
  for (let h = 0; h < heads; h++) {
    const ofHead = (x: Float32Array) =>
      tokens.map((_, i) => x.subarray(i * d + h * 64, i * d + h * 64 + 64));
    const rotated = (x: Float32Array, letter: string) =>
      ofHead(x).map((row, i) => {
        const { context, position } = tokens[i]!;
        const weight = w.get(`${at}.norm_${context ? "added_" : ""}${letter}.weight`)!;
        return normAndRotate(row, weight, headAngles(position, axes));
      });
    const keys = Float64Array.from(rotated(k, "k").flatMap((row) => [...row]));
    const values = Float64Array.from(ofHead(v).flatMap((row) => [...row]));
    for (const [i, query] of rotated(q, "q").entries()) {
      const { frame } = tokens[i]!;
      const seen = tokens.map((token, slot) => ({ slot, frame: token.frame }))
        .filter((key) => key.frame <= frame);
      const mix = attentionReference(query.map((n) => n / 8), keys, values, seen, slope, frame);
      out.set(mix, i * d + h * 64);
    }
  }
  return rowwise(tokens, out, d, (row, { context }) => {
    if (!context) return dense(w, `${at}.to_out.0`, row, d);
    return last ? Float32Array.from(row) : dense(w, `${at}.to_add_out`, row, d);
  });
}

function rowwise(
  tokens: readonly Token[],
  x: Float64Array,
  d: number,
  map: (row: Float64Array, token: Token) => Float32Array,
): Float32Array {
  const out = new Float32Array(x.length);
  for (const [i, token] of tokens.entries()) {
    out.set(map(x.subarray(i * d, (i + 1) * d), token), i * d);
  }
  return out;
}

/** Scale before shift, unlike the blocks. */
function head(w: PlainWeights, sizes: FarSizes, { x, temb }: Stream, input: PlainInput) {
  const { d, channels, patch } = sizes;
  const { height, width } = input;
  const mod = dense(w, "norm_out.linear", temb.at(-1)!, d);
  const own = x.subarray(x.length - height * width / patch ** 2 * d);
  const normed = layerNormReference(own, d, () => ({ scale: mod, shift: mod.subarray(d) }));
  const tokens = dense(w, "proj_out", normed, d);
  return Float32Array.from({ length: channels * height * width }, (_, i) => {
    const [c, y] = [Math.floor(i / (height * width)), Math.floor(i / width) % height];
    const { token, feature } = patchIndex([c, y, i % width], [channels, width], patch);
    return tokens[token * channels * patch ** 2 + feature]!;
  });
}
