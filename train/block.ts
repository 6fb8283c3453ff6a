import type { Tensor } from "../gpu/memory.ts";
import { activation, activationBackward } from "../kernels/activation.ts";
import { causalAttention, causalAttentionBackward } from "../kernels/causal_attention.ts";
import { clear } from "../kernels/clear.ts";
import {
  countFrames,
  countRows,
  gate,
  gateSums,
  modulatedNorm,
  modulatedNormBackward,
  type TokenLayout,
  windowLength,
  windowRows,
} from "../kernels/modulated_norm.ts";
import {
  qkRotation,
  qkRotationBackward,
  type RotationOptions,
  rotationScratch,
} from "../kernels/qk_rotation.ts";
import { type BlockMemory, blockScratch, keepsAll } from "./block_memory.ts";
import {
  linearBackward,
  linearForward,
  type LinearShape,
  packedFor,
  type Pass,
  type Rows,
  rowsOf,
  Updated,
  vectorOperand,
} from "./pass.ts";

/** Tensors that go through all blocks. */
export interface Stream {
  /** SiLU of the timestep embedding [frames, d]. */
  readonly condition: Tensor;
  readonly rope: Tensor;
  /** Start of the frame angles in `rope`, in vec4s. */
  readonly ropeTime: number;
}

/** One kind of tokens: its projections, and its rows. */
interface TokenKind {
  /** Of q, k and v. */
  readonly projections: readonly string[];
  readonly norms: readonly [q: string, k: string];
  /** Absent for the long-term context of the last block. */
  readonly out: string | undefined;
  readonly rotation: Omit<RotationOptions, "normQ" | "normK">;
}

/** Where a block's mlp finds its modulation. */
function mlpModulation(d: number) {
  return { shift: 3 * d, scale: 4 * d };
}

/** Only the windows: other tokens of the last block end with their keys and values. */
export function windowLayout(layout: TokenLayout): TokenLayout {
  return { ...layout, contextFrames: 0 };
}

function layoutAfterAttention(pass: Pass, i: number): TokenLayout {
  return i === pass.sizes.layers - 1 ? windowLayout(pass.layout) : pass.layout;
}

function blockName(i: number): string {
  return `transformer_blocks.${i}`;
}

function tokenKinds(pass: Pass, i: number, { rope, ropeTime }: Stream): TokenKind[] {
  const { layout, sizes: { heads, axes, patch, contextPatch = patch, layers }, columns } = pass;
  const named = (name: string) => `${blockName(i)}.attn.${name}`;
  const common = { heads, axes, rope, time: ropeTime };
  const spread = contextPatch / patch;
  const rows = windowRows(layout);
  const window: TokenKind = {
    projections: ["to_q", "to_k", "to_v"].map(named),
    norms: [named("norm_q.weight"), named("norm_k.weight")],
    out: named("to_out.0"),
    rotation: {
      ...common,
      first: 0,
      rows,
      tokens: layout.windowTokens,
      frames: windowLength(layout),
      firstFrame: layout.contextFrames,
      columns,
      spread: 1,
    },
  };
  if (layout.contextFrames === 0) return [window];
  return [window, {
    projections: ["add_q_proj", "add_k_proj", "add_v_proj"].map(named),
    norms: [named("norm_added_q.weight"), named("norm_added_k.weight")],
    out: i === layers - 1 ? undefined : named("to_add_out"),
    rotation: {
      ...common,
      first: rows,
      rows: countRows(layout) - rows,
      tokens: layout.contextTokens,
      frames: layout.contextFrames,
      firstFrame: 0,
      columns: columns / spread,
      spread,
    },
  }];
}

function rotationOf(pass: Pass, { rotation, norms: [q, k] }: TokenKind): RotationOptions {
  return { ...rotation, normQ: vectorOperand(pass, q, 64), normK: vectorOperand(pass, k, 64) };
}

/**
 * x + gate1 attn(LN(x) (1 + scale1) + shift1), and the same of the mlp.
 * @param to the next block's x; absent if only the kept activations are needed
 */
export function blockForward(
  pass: Pass,
  i: number,
  stream: Stream,
  memory: BlockMemory,
  to: Tensor | undefined,
): void {
  attentionForward(pass, i, stream, memory);
  const { program: p, sizes: { d } } = pass;
  const layout = layoutAfterAttention(pass, i);
  const { table, middle, hidden, mlp, second, activated } = memory;
  const rows = countRows(layout);
  modulatedNorm(p, middle, { layout, table, at: mlpModulation(d) }, second);
  const all = (tensor: Tensor) => rowsOf(tensor, 0, rows);
  linearForward(pass, `${blockName(i)}.mlp.net.0.proj`, [4 * d, d], all(second.y), all(hidden));
  activation(p, "gelu", { x: hidden, y: activated }, rows * 4 * d);
  linearForward(pass, `${blockName(i)}.mlp.net.2`, [d, 4 * d], all(activated), all(mlp));
  if (to) gate(p, mlp, { layout, table, at: { gate: 5 * d } }, { y: to, residual: middle });
}

function attentionForward(pass: Pass, i: number, stream: Stream, memory: BlockMemory): void {
  const { program: p, layout, sizes: { d, heads, slope } } = pass;
  const { table, x, qkv, qk, o, sums, first: input } = memory;
  const condition = rowsOf(stream.condition, 0, countFrames(layout));
  for (const [j, norm] of ["norm1", "norm2"].entries()) {
    const to = rowsOf(table, 0, condition.count, 3 * d * j);
    linearForward(pass, `${blockName(i)}.${norm}.linear`, [3 * d, d], condition, to);
  }
  modulatedNorm(p, x, { layout, table, at: { shift: 0, scale: d } }, input);
  const kinds = tokenKinds(pass, i, stream);
  for (const kind of kinds) {
    const { projections, rotation: { first, rows } } = kind;
    const given = packedFor(pass, "forward", rowsOf(input.y, first, rows), d, "packed input");
    for (const [j, name] of projections.entries()) {
      linearForward(pass, name, [d, d], given, rowsOf(qkv, first, rows, j * d));
    }
    qkRotation(p, qkv, qk, rotationOf(pass, kind));
  }
  causalAttention(p, { qk, qkv }, { y: o, sums }, { heads, layout, slope });
  for (const { out, rotation: { first, rows } } of kinds) {
    if (!out) continue;
    linearForward(pass, out, [d, d], rowsOf(o, first, rows), rowsOf(memory.a, first, rows));
  }
  const after = { layout: layoutAfterAttention(pass, i), table, at: { gate: 2 * d } };
  gate(p, memory.a, after, { y: memory.middle, residual: x });
}

/** Gradients that go through all blocks. */
export interface StreamGradients {
  /** Gradient of the residual stream [R, d]. */
  readonly dx: Updated;
  /** Gradient of `condition` [frames, d], added to; absent if not needed. */
  readonly condition: Updated | undefined;
}

/** The gradients of a block, beginning with the mlp. */
export function blockBackward(
  pass: Pass,
  i: number,
  stream: Stream,
  memory: BlockMemory,
  gradients: StreamGradients,
): void {
  const { program: p, layout, sizes: { d, layers }, workspace } = pass;
  const frames = countFrames(layout);
  const dtable = workspace.tensor("modulation gradient", [frames, 6 * d]);
  // long-term context ends the last block with its keys, so its other modulation gets no gradient
  if (i === layers - 1) clear(p, dtable, 0, frames * 6 * d);
  mlpBackward(pass, i, memory, gradients, dtable);
  attentionBackward(pass, i, stream, memory, gradients, dtable);
  for (const [j, norm] of ["norm1", "norm2"].entries()) {
    const layer = `${blockName(i)}.${norm}.linear`;
    const dy = rowsOf(dtable, 0, frames, 3 * d * j);
    conditionBackward(pass, layer, [3 * d, d], { ...stream, dy }, gradients.condition);
  }
}

/** The gradients of a layer that reads the condition, whose own is added to. */
export function conditionBackward(
  pass: Pass,
  layer: string,
  shape: LinearShape,
  { condition, dy }: { readonly condition: Tensor; readonly dy: Rows },
  gradient: Updated | undefined,
): void {
  const x = rowsOf(condition, 0, dy.count);
  if (!gradient) return linearBackward(pass, layer, shape, { x, dy, dx: undefined });
  gradient.update((onto, to) => {
    linearBackward(pass, layer, shape, { x, dy, dx: rowsOf(to, 0, dy.count), onto });
  });
}

function mlpBackward(
  pass: Pass,
  i: number,
  { table, middle, hidden, mlp, second, activated }: BlockMemory,
  { dx }: StreamGradients,
  dtable: Tensor,
): void {
  const { program: p, sizes: { d } } = pass;
  const layout = layoutAfterAttention(pass, i);
  const rows = countRows(layout);
  const { a, wide } = blockScratch(pass);
  const all = (tensor: Tensor) => rowsOf(tensor, 0, rows);
  const dhidden = new Updated(pass, "scratch wide", wide.shape);
  gateSums(p, { x: mlp, dy: dx.tensor }, { layout, at: { gate: 5 * d } }, dtable);
  gate(p, dx.tensor, { layout, table, at: { gate: 5 * d } }, { y: a });
  if (!keepsAll(pass)) activation(p, "gelu", { x: hidden, y: activated }, rows * 4 * d);
  linearBackward(pass, `${blockName(i)}.mlp.net.2`, [d, 4 * d], {
    x: all(activated),
    dy: all(a),
    dx: all(wide),
  });
  dhidden.update((dy, to) => {
    activationBackward(p, "gelu", { x: hidden, dy, to }, rows * 4 * d);
  });
  const norm = { layout, table, at: mlpModulation(d) };
  if (!keepsAll(pass)) modulatedNorm(p, middle, norm, second);
  linearBackward(pass, `${blockName(i)}.mlp.net.0.proj`, [4 * d, d], {
    x: all(second.y),
    dy: all(dhidden.tensor),
    dx: all(a),
  });
  dx.update((dx, to) => {
    modulatedNormBackward(p, { x: middle, stats: second.stats, dy: a, dx, to }, norm, dtable);
  });
}

function attentionBackward(
  pass: Pass,
  i: number,
  stream: Stream,
  memory: BlockMemory,
  { dx }: StreamGradients,
  dtable: Tensor,
): void {
  const { program: p, layout, sizes: { d, heads, slope }, workspace } = pass;
  const { a, b } = blockScratch(pass);
  const { x, table, qkv, qk, o, sums, first: input } = memory;
  const rows = countRows(layout);
  const after = { layout: layoutAfterAttention(pass, i), table, at: { gate: 2 * d } };
  gateSums(p, { x: memory.a, dy: dx.tensor }, after, dtable);
  gate(p, dx.tensor, after, { y: a });
  const kinds = tokenKinds(pass, i, stream);
  for (const { out, rotation: { first, rows } } of kinds) {
    const part = (tensor: Tensor) => rowsOf(tensor, first, rows);
    if (out) linearBackward(pass, out, [d, d], { x: part(o), dy: part(a), dx: part(b) });
    else clear(p, b, first * d, rows * d);
  }
  const dqkv = workspace.tensor("qkv gradient", [rows, 3 * d]);
  const dqk = workspace.tensor("rotated gradient", [rows, 2 * d]);
  const delta = workspace.exact("delta", [rows, heads, 4]);
  if (!keepsAll(pass)) {
    for (const kind of kinds) qkRotation(p, qkv, qk, rotationOf(pass, kind));
  }
  const buffers = { qk, qkv, y: o, dy: b, sums, delta, dqk, dqkv };
  causalAttentionBackward(p, buffers, { heads, layout, slope });
  for (const kind of kinds) rotationBackward(pass, kind, qkv, { dqk, dqkv });
  const norm = { layout, table, at: { shift: 0, scale: d } };
  if (!keepsAll(pass)) modulatedNorm(p, x, norm, input);
  const da = projectionsBackward(pass, kinds, input.y, dqkv);
  dx.update((dx, to) => {
    modulatedNormBackward(p, { x, stats: input.stats, dy: da, dx, to }, norm, dtable);
  });
}

/** The gradients of queries', keys' and values' layers, and the sum of those of their input `x`. */
function projectionsBackward(
  pass: Pass,
  kinds: readonly TokenKind[],
  x: Tensor,
  dqkv: Tensor,
): Tensor {
  const { sizes: { d } } = pass;
  const sum = new Updated(pass, "scratch a", x.shape);
  const given = kinds.map(({ rotation: { first, rows } }, i) =>
    packedFor(pass, "backward", rowsOf(x, first, rows), d, `packed input ${i}`)
  );
  for (const j of [0, 1, 2]) {
    sum.update((from, to) => {
      for (const [i, { projections, rotation: { first, rows } }] of kinds.entries()) {
        linearBackward(pass, projections[j]!, [d, d], {
          x: given[i]!,
          dy: rowsOf(dqkv, first, rows, j * d),
          dx: rowsOf(to, first, rows),
          ...j > 0 && { onto: from },
        });
      }
    });
  }
  return sum.tensor;
}

function rotationBackward(
  pass: Pass,
  kind: TokenKind,
  qkv: Tensor,
  { dqk, dqkv }: Readonly<Record<"dqk" | "dqkv", Tensor>>,
): void {
  const { program: p, store, workspace, sizes: { heads }, layout } = pass;
  const floats = rotationScratch(countRows(layout), heads);
  const [q, k] = kind.norms;
  const gradients = {
    dqk,
    dqkv,
    normQ: store.find(q, "gradient"),
    normK: store.find(k, "gradient"),
    partialQ: workspace.buffer("q norm sums", [floats]),
    partialK: workspace.buffer("k norm sums", [floats]),
  };
  qkRotationBackward(p, qkv, gradients, rotationOf(pass, kind));
}
