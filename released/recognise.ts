/** Recognises an architecture by the names and shapes of a checkpoint. */
import { autoencoderShapes, type Shapes, transformerShapes } from "./architecture.ts";
import { isBatchCount } from "../weights/checkpoint.ts";
import { CheckpointError } from "../files/errors.ts";
import type { JsonObject } from "../files/json.ts";
import {
  architectureConfig,
  type ArchitectureName,
  ARCHITECTURES,
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
} from "./presets.ts";

/** Result of recognising a checkpoint. */
export interface Recognised {
  /** Which half of a pipeline it is. */
  readonly kind: "transformer" | "autoencoder";
  /** Name of the released architecture with these sizes, such as `FAR_B_Long` or `8x`. */
  readonly name: string | undefined;
  /** The config.json with exactly these names and shapes. */
  readonly config: JsonObject;
  /** Entries that shapes do not determine, filled in as in the released models. */
  readonly assumed: readonly string[];
}

/** Shapes by name. */
export type ReadShapes = ReadonlyMap<string, readonly number[]>;

/** The architecture of a checkpoint, if its names and shapes are exactly those of one. */
export function recognise(all: ReadShapes): Recognised | undefined {
  const shapes = new Map([...all].filter(([name]) => !isBatchCount(name)));
  try {
    const found = shapes.has("x_embedder.weight") ? transformer(shapes) : autoencoder(shapes);
    if (!found) return undefined;
    const expected = found.kind === "transformer"
      ? transformerShapes(found.config)
      : autoencoderShapes(found.config);
    return sameShapes(expected, shapes) ? found : undefined;
  } catch (error) {
    if (error instanceof CheckpointError) return undefined; // no configuration has these sizes
    throw error;
  }
}

/** Whether two sets of names and shapes are equal. */
export function sameShapes(a: ReadShapes, b: ReadShapes): boolean {
  return a.size === b.size && [...a].every(([name, shape]) => `${b.get(name)}` === `${shape}`);
}

function transformer(shapes: Shapes): Recognised | undefined {
  const [d, width] = shapes.get("x_embedder.weight") ?? [];
  const headDim = shapes.get("transformer_blocks.0.attn.norm_q.weight")?.[0];
  if (!d || !width || !headDim) return undefined;
  const layers = count(shapes, /^transformer_blocks\.(\d+)\./);
  const channels = width % 32 === 0 && isSquare(width / 32) ? 32 : width;
  const context = shapes.get("context_embedder.weight")?.[1];
  const config: JsonObject = {
    _class_name: context ? "FAR_Long" : "FAR",
    attention_head_dim: headDim,
    axes_dims_rope: [16, 24, 24],
    condition_cfg: condition(shapes),
    ...context ? { context_patch_size: Math.sqrt(context / channels) } : {},
    in_channels: channels,
    num_attention_heads: d / headDim,
    num_layers: layers,
    out_channels: channels,
    patch_size: Math.sqrt(width / channels),
    short_term_ctx_winsize: 16,
    slope_scale: 0,
  };
  const names = Object.keys(ARCHITECTURES) as ArchitectureName[];
  const name = names.find((name) => {
    const known = { ...architectureConfig(name), condition_cfg: config.condition_cfg! };
    return sameShapes(transformerShapes(known), shapes);
  });
  const assumed = ["axes_dims_rope", "short_term_ctx_winsize", "slope_scale"];
  return { kind: "transformer", name, config, assumed };
}

function condition(shapes: Shapes): JsonObject | null {
  const labels = shapes.get("label_embedder.embedding_table.weight")?.[0];
  if (labels) return { num_classes: labels - 1, type: "label" };
  const actions = shapes.get("action_embedder.embedding_table.weight")?.[0];
  return actions ? { num_action_classes: actions - 1, type: "action" } : null;
}

function autoencoder(shapes: Shapes): Recognised | undefined {
  const latents = shapes.get("encoder.conv_out.weight")?.[0];
  if (!latents) return undefined;
  const encoder = half(shapes, "encoder.down_blocks");
  const decoder = half(shapes, "decoder.up_blocks");
  const direct = shapes.get("encoder.conv_in.weight");
  const pixels = (direct ?? shapes.get("encoder.conv_in.conv.weight"))?.[1];
  const config: JsonObject = {
    _class_name: "MyAutoencoderDC",
    attention_head_dim: 32,
    decoder_act_fns: decoder.types.map((type) => type === "ResBlock" ? "relu" : "silu"),
    decoder_block_out_channels: decoder.channels,
    decoder_block_types: decoder.types,
    decoder_layers_per_block: decoder.layers,
    decoder_norm_types: decoder.norms,
    decoder_qkv_multiscales: decoder.types.map(() => []),
    downsample_block_type: "pixel_unshuffle",
    encoder_block_out_channels: encoder.channels,
    encoder_block_types: encoder.types,
    encoder_layers_per_block: encoder.layers,
    encoder_qkv_multiscales: encoder.types.map(() => []),
    in_channels: pixels ?? 0,
    latent_channels: latents,
    scaling_factor: 0.2889,
    upsample_block_type: "pixel_shuffle",
  };
  const names = Object.keys(COMPRESSION) as AutoencoderName[];
  const name = names.find((name) => sameShapes(autoencoderShapes(autoencoderConfig(name)), shapes));
  const assumed = ["attention_head_dim", "decoder_act_fns", "scaling_factor"];
  if (!direct) assumed.push("encoder_block_out_channels[0]", "decoder_block_out_channels[0]");
  return { kind: "autoencoder", name, config, assumed };
}

/** A picture cannot be halved more often; limits the time for hostile files. */
const MOST_STAGES = 16;

interface Half {
  readonly channels: number[];
  readonly layers: number[];
  readonly types: string[];
  readonly norms: string[];
}

/** Sizes of one half of an autoencoder, stage by stage from the picture inwards. */
function half(shapes: Shapes, root: string): Half {
  const stages = Math.min(MOST_STAGES, count(shapes, new RegExp(`^${root}\\.(\\d+)\\.`)));
  const found: Half = { channels: [], layers: [], types: [], norms: [] };
  for (let i = 0; i < stages; i++) {
    const own = [...shapes].filter(([name]) => name.startsWith(`${root}.${i}.`));
    const last = (end: string) => own.filter(([name]) => name.endsWith(end));
    const residual = last(".conv2.weight");
    const attention = last(".attn.to_out.weight");
    const blocks = attention.length ? attention : residual;
    found.types.push(attention.length ? "EfficientViTBlock" : "ResBlock");
    found.layers.push(blocks.length);
    found.channels.push(blocks[0]?.[1][0] ?? 0);
    const batch = last(".running_mean").length > 0;
    found.norms.push(batch || blocks.length === 0 ? "batch_norm" : "rms_norm");
  }
  // The width of a first stage without layers is unused; released models have half the next.
  if (found.layers[0] === 0) found.channels[0] = Math.ceil((found.channels[1] ?? 0) / 2);
  return found;
}

/** One more than the largest number that a pattern matches in the names. */
function count(shapes: Shapes, pattern: RegExp): number {
  let most = 0;
  for (const name of shapes.keys()) {
    const index = pattern.exec(name)?.[1];
    if (index !== undefined && index.length < 5) most = Math.max(most, Number(index) + 1);
  }
  return most;
}

function isSquare(value: number): boolean {
  return Number.isInteger(Math.sqrt(value));
}
