import { size, type Tensor, tensorBytes } from "../gpu/memory.ts";
import type { Dispatch } from "../gpu/program.ts";
import { plainName } from "./memory_forms.ts";

/** Work of dispatches, counted in their record. */
export interface Work {
  /** Multiplications and additions of matrix products, convolutions and attention; no others. */
  readonly flops: number;
  /** Bytes read: each tensor once per dispatch, only the part that is touched. */
  readonly read: number;
  /** The part of `read` that is weights, keys and values, which exceed any device's cache. */
  readonly stored: number;
  /** Bytes written. */
  readonly written: number;
}

/** What the record of a pass does not contain. */
export interface PassWork {
  /** Number of keys that the queries of each frame attend to. */
  readonly keys: readonly number[];
}

type Buffers = Readonly<Record<string, Tensor>>;

/** Kernels that also read their writable tensors without a constant saying so. */
const UPDATING = new Set(["solver_step", "peak_fma"]);

/** Bindings of weights and caches. */
const STORED = new Set(["w", "bias", "k", "v"]);

/** Total work of dispatches. */
export function totalWork(dispatches: readonly Dispatch[], pass?: PassWork): Work {
  const sum = { flops: 0, read: 0, stored: 0, written: 0 };
  for (const dispatch of dispatches) {
    const { flops, read, stored, written } = workOf(dispatch, pass);
    sum.flops += flops;
    sum.read += read;
    sum.stored += stored;
    sum.written += written;
  }
  return sum;
}

/**
 * Least work of one dispatch: small caches and lanes that read the same value again only add to it.
 * @param pass needed for attention
 */
export function workOf(dispatch: Dispatch, pass?: PassWork): Work {
  const { kernel, constants = {}, params = {}, buffers } = dispatch;
  const updates = UPDATING.has(kernel.name) || constants.RESIDUAL || params.residual ||
    params.added;
  const seen = new Set<unknown>();
  let read = 0;
  let stored = 0;
  let written = 0;
  for (const [name, bound] of Object.entries(buffers)) {
    // a binding that a variant does not use is bound to another's tensor
    const buffer = "buffer" in bound ? bound.buffer : bound;
    if (seen.has(buffer)) continue;
    seen.add(buffer);
    const bytes = touchedBytes(dispatch, name, pass);
    const writable = kernel.bindings.get(name)?.writable;
    if (writable) written += bytes;
    if (!writable || updates) read += bytes;
    if (!writable && STORED.has(name)) stored += bytes;
  }
  return { flops: flopsOf(dispatch, pass), read, stored, written };
}

function flopsOf(dispatch: Dispatch, pass: PassWork | undefined): number {
  const { kernel, constants = {}, params = {} } = dispatch;
  const { x, q, y } = dispatch.buffers as Buffers;
  const outputs = params.n ?? y?.shape.at(-1) ?? 0;
  if (isLinear(kernel.name)) return 2 * size(x!.shape) * outputs;
  if (kernel.name.startsWith("conv2d")) {
    return 2 * size(x!.shape) * constants.SIZE! ** 2 * outputs;
  }
  if (isAttention(kernel.name)) return 4 * q!.shape.at(-1)! * visiblePairs(q!, pass);
  return 0;
}

function isLinear(name: string): boolean {
  return /^(linear|qkv)/.test(name) && !name.startsWith("linear_attention");
}

function isAttention(name: string): boolean {
  return name.startsWith("attention");
}

/**
 * Pairs of a query and a key it attends to, over all videos; only the last frames may have queries.
 */
function visiblePairs(q: Tensor, pass: PassWork | undefined): number {
  const [batch, frames, tokens] = q.shape as [number, number, number];
  return batch * tokens * keysOf(pass).slice(-frames).reduce((a, b) => a + b, 0);
}

function keysOf(pass: PassWork | undefined): readonly number[] {
  if (pass) return pass.keys;
  throw new TypeError("Cannot count an attention's work: the number of keys is not in the record");
}

/** Bytes of a binding's tensor that a dispatch reads or writes. */
function touchedBytes(
  { kernel, params = {}, buffers }: Dispatch,
  name: string,
  pass: PassWork | undefined,
): number {
  const bound = buffers[name]!;
  if (!("buffer" in bound)) return bound.bytes;
  const { frames, x, y, q, qkv, tokens, velocity } = buffers as Buffers;
  const form = isLinear(kernel.name) || kernel.name === "merge_linear"
    ? "linear"
    : plainName(kernel.name).replace(/_texture$/, "");
  const key = `${form} ${name}`;
  switch (key) {
    // adaLN: the rows of these frames, and only one half of each
    case "linear table":
      return 4 * rows(frames!) * (params.residual ? params.n! : 2 * params.k!);
    case "layer_norm table":
      return 4 * rows(frames!) * 2 * params.d!;
    case "class_embedding table":
      return tensorBytes(y!.shape, "f32");
    // one frame out of several
    case "last_frame x":
      return tensorBytes(y!.shape, "f32");
    case "patchify latents":
      return tensorBytes(tokens!.shape, "f32");
    case "read_latents latents":
      return tensorBytes(y!.shape, "f32");
    case "write_latents latents":
      return tensorBytes(x!.shape, "f32");
    case "solver_step latents":
      return 4 * size(velocity!.shape) / (velocity!.shape[0]! / bound.shape[0]!);
    // new keys and values
    case "qk_norm_rope k":
    case "qk_norm_rope v":
      return tensorBytes([size(qkv!.shape) / 3], bound.dtype);
    case "linear k":
    case "linear v":
      return tensorBytes(q!.shape, bound.dtype);
  }
  if (isAttention(kernel.name) && (name === "k" || name === "v")) {
    return tensorBytes([q!.shape[0]! * q!.shape.at(-1)! * Math.max(...keysOf(pass))], bound.dtype);
  }
  return tensorBytes(bound.shape, bound.dtype);
}

/** Frames of a pass, over all videos. */
function rows(frames: Tensor): number {
  return size(frames.shape) / 4;
}
