/**
 * Names and shapes of the parameters that a configuration asks for, as the released classes make
 * them. Pure functions of config.json.
 * Source: showlab/FAR at e59536a, far/models/{far_model,far_long_model,autoencoder_dc_model}.py;
 * diffusers 0.32.2 for the layers they use.
 */
import { CheckpointError } from "../files/errors.ts";
import type { JsonObject, JsonValue } from "../files/json.ts";

/** Shapes by name of the state dict. */
export type Shapes = Map<string, readonly number[]>;

/**
 * Parameters of FAR or FAR_Long.
 * @throws {CheckpointError} BadConfig: an entry is missing, malformed or not supported
 */
export function transformerShapes(config: JsonObject): Shapes {
  const shapes: Shapes = new Map();
  const heads = natural(config, "num_attention_heads", 12);
  const headDim = natural(config, "attention_head_dim", 64);
  const d = heads * headDim;
  const layers = natural(config, "num_layers", 12);
  const patch = natural(config, "patch_size", 1) ** 2;
  const [channelsIn, channelsOut] = [natural(config, "in_channels", 32), outChannels(config)];
  linear(shapes, "x_embedder", d, channelsIn * patch);
  linear(shapes, "timestep_embedder.linear_1", d, 256);
  linear(shapes, "timestep_embedder.linear_2", d, d);
  const condition = conditionRows(config);
  if (condition) shapes.set(`${condition.name}.embedding_table.weight`, [condition.rows, d]);
  const long = isLong(config);
  for (let layer = 0; layer < layers; layer++) {
    const added = long ? (layer === layers - 1 ? "projections" : "all") : "none";
    block(shapes, `transformer_blocks.${layer}`, d, headDim, added);
  }
  linear(shapes, "norm_out.linear", 2 * d, d);
  linear(shapes, "proj_out", channelsOut * patch, d);
  if (long) {
    const contextPatch = natural(config, "context_patch_size", 4) ** 2;
    linear(shapes, "context_embedder", d, channelsIn * contextPatch);
    linear(shapes, "context_proj_out", channelsOut * contextPatch, d);
  }
  return shapes;
}

/** Whether a configuration is of FAR_Long: by its class, else by its context patches. */
export function isLong(config: JsonObject): boolean {
  const name = config._class_name;
  if (name === undefined) return config.context_patch_size !== undefined;
  if (name === "FAR" || name === "FAR_Long") return name === "FAR_Long";
  bad(`its _class_name is ${JSON.stringify(name)}, neither FAR nor FAR_Long`);
}

function outChannels(config: JsonObject): number {
  return natural(config, "out_channels", 32);
}

/** The embedding of labels or actions has one row more than classes: the null class. */
function conditionRows(config: JsonObject): { name: string; rows: number } | undefined {
  const condition = config.condition_cfg ?? null;
  if (condition === null) return undefined;
  if (typeof condition !== "object" || Array.isArray(condition)) bad("condition_cfg is no object");
  if (condition.type === "label") {
    return { name: "label_embedder", rows: natural(condition, "num_classes") + 1 };
  }
  if (condition.type === "action") {
    return { name: "action_embedder", rows: natural(condition, "num_action_classes") + 1 };
  }
  bad(`condition_cfg has the unknown type ${JSON.stringify(condition.type)}`);
}

/** @param added what the block has for context tokens; the last block doesn't project them out */
function block(
  shapes: Shapes,
  name: string,
  d: number,
  headDim: number,
  added: "none" | "projections" | "all",
): void {
  for (const norm of ["norm1", "norm2"]) linear(shapes, `${name}.${norm}.linear`, 3 * d, d);
  for (const part of ["to_q", "to_k", "to_v", "to_out.0"]) {
    linear(shapes, `${name}.attn.${part}`, d, d);
  }
  shapes.set(`${name}.attn.norm_q.weight`, [headDim]);
  shapes.set(`${name}.attn.norm_k.weight`, [headDim]);
  if (added !== "none") {
    for (const part of ["add_q_proj", "add_k_proj", "add_v_proj"]) {
      linear(shapes, `${name}.attn.${part}`, d, d);
    }
    shapes.set(`${name}.attn.norm_added_q.weight`, [headDim]);
    shapes.set(`${name}.attn.norm_added_k.weight`, [headDim]);
    if (added === "all") linear(shapes, `${name}.attn.to_add_out`, d, d);
  }
  linear(shapes, `${name}.mlp.net.0.proj`, 4 * d, d);
  linear(shapes, `${name}.mlp.net.2`, d, 4 * d);
}

/** What both halves of an autoencoder are built from. */
interface Stages {
  readonly channels: readonly number[];
  readonly layers: readonly number[];
  readonly types: readonly string[];
  readonly norms: readonly string[];
  readonly headDim: number;
}

/**
 * Parameters of MyAutoencoderDC, without the batch norms' `num_batches_tracked`.
 * @throws {CheckpointError} BadConfig: an entry is missing, malformed or not supported
 */
export function autoencoderShapes(config: JsonObject): Shapes {
  const shapes: Shapes = new Map();
  const pixels = natural(config, "in_channels", 3);
  const latents = natural(config, "latent_channels", 32);
  supported(config, "downsample_block_type", "pixel_unshuffle");
  supported(config, "upsample_block_type", "pixel_shuffle");
  encoder(shapes, stages(config, "encoder"), pixels, latents);
  decoder(shapes, stages(config, "decoder"), pixels, latents);
  return shapes;
}

function stages(config: JsonObject, half: "encoder" | "decoder"): Stages {
  const channels = naturals(config, `${half}_block_out_channels`);
  const count = channels.length;
  if (count < 2) bad(`${half}_block_out_channels has fewer than two stages`);
  const scales = list(config, `${half}_qkv_multiscales`, count);
  if (!scales.every((scale) => Array.isArray(scale) && scale.length === 0)) {
    bad(`${half}_qkv_multiscales is not empty, which is not supported`);
  }
  return {
    channels,
    layers: naturals(config, `${half}_layers_per_block`, count),
    types: words(config, `${half}_block_types`, count, ["ResBlock", "EfficientViTBlock"]),
    norms: half === "encoder"
      ? channels.map(() => "rms_norm")
      : words(config, "decoder_norm_types", count, ["batch_norm", "rms_norm"]),
    headDim: natural(config, "attention_head_dim", 32),
  };
}

function encoder(shapes: Shapes, stages: Stages, pixels: number, latents: number): void {
  const { channels, layers } = stages;
  const direct = layers[0]! > 0;
  // Without layers in the first stage, the first convolution is a downsampling one.
  if (direct) conv(shapes, "encoder.conv_in", channels[0]!, pixels, 3);
  else conv(shapes, "encoder.conv_in.conv", quarter(channels[1]!), pixels, 3);
  for (const [i, count] of layers.entries()) {
    for (let j = 0; j < count; j++) stage(shapes, `encoder.down_blocks.${i}.${j}`, stages, i);
    if (i < layers.length - 1 && count > 0) {
      const name = `encoder.down_blocks.${i}.${count}.conv`;
      conv(shapes, name, quarter(channels[i + 1]!), channels[i]!, 3);
    }
  }
  conv(shapes, "encoder.conv_out", latents, channels.at(-1)!, 3);
}

function decoder(shapes: Shapes, stages: Stages, pixels: number, latents: number): void {
  const { channels, layers } = stages;
  conv(shapes, "decoder.conv_in", channels.at(-1)!, latents, 3);
  for (const [i, count] of layers.entries()) {
    const up = i < layers.length - 1 && count > 0;
    if (up) conv(shapes, `decoder.up_blocks.${i}.0.conv`, 4 * channels[i]!, channels[i + 1]!, 3);
    for (let j = 0; j < count; j++) {
      stage(shapes, `decoder.up_blocks.${i}.${up ? j + 1 : j}`, stages, i);
    }
  }
  const direct = layers[0]! > 0;
  const last = channels[direct ? 0 : 1]!;
  norm(shapes, "decoder.norm_out", last, "rms_norm");
  if (direct) conv(shapes, "decoder.conv_out", pixels, last, 3);
  else conv(shapes, "decoder.conv_out.conv", 4 * pixels, last, 3);
}

function stage(shapes: Shapes, name: string, stages: Stages, index: number): void {
  const c = stages.channels[index]!;
  const normType = stages.norms[index]!;
  if (stages.types[index] === "ResBlock") {
    conv(shapes, `${name}.conv1`, c, c, 3);
    shapes.set(`${name}.conv2.weight`, [c, c, 3, 3]);
    norm(shapes, `${name}.norm`, c, normType);
    return;
  }
  const inner = Math.floor(c / stages.headDim) * stages.headDim;
  for (const part of ["to_q", "to_k", "to_v"]) {
    shapes.set(`${name}.attn.${part}.weight`, [inner, c]);
  }
  shapes.set(`${name}.attn.to_out.weight`, [c, inner]);
  norm(shapes, `${name}.attn.norm_out`, c, normType);
  conv(shapes, `${name}.conv_out.conv_inverted`, 8 * c, c, 1);
  shapes.set(`${name}.conv_out.conv_depth.weight`, [8 * c, 1, 3, 3]);
  shapes.set(`${name}.conv_out.conv_depth.bias`, [8 * c]);
  shapes.set(`${name}.conv_out.conv_point.weight`, [c, 4 * c, 1, 1]);
  norm(shapes, `${name}.conv_out.norm`, c, "rms_norm");
}

function linear(shapes: Shapes, name: string, out: number, into: number): void {
  shapes.set(`${name}.weight`, [out, into]);
  shapes.set(`${name}.bias`, [out]);
}

function conv(shapes: Shapes, name: string, out: number, into: number, size: number): void {
  shapes.set(`${name}.weight`, [out, into, size, size]);
  shapes.set(`${name}.bias`, [out]);
}

function norm(shapes: Shapes, name: string, c: number, type: string): void {
  const parts = ["weight", "bias", ...type === "batch_norm" ? ["running_mean", "running_var"] : []];
  for (const part of parts) shapes.set(`${name}.${part}`, [c]);
}

function quarter(channels: number): number {
  if (channels % 4 === 0) return channels / 4;
  bad(`a stage of ${channels} channels cannot follow pixel_unshuffle: 4 must divide it`);
}

/** Sizes beyond this are nobody's, and a million layers would be a million names. */
const LARGEST = 65536;

function natural(config: JsonObject, name: string, fallback?: number): number {
  const value = config[name] ?? fallback;
  const fits = typeof value === "number" && Number.isInteger(value) && value > 0 &&
    value <= (name.endsWith("layers") ? 1000 : LARGEST);
  if (!fits) bad(`${name} is ${JSON.stringify(value ?? null)}, not a usable whole number`);
  return value;
}

function naturals(config: JsonObject, name: string, count?: number): number[] {
  const most = name.includes("layers") ? 1000 : LARGEST;
  const least = name.includes("layers") ? 0 : 1;
  return list(config, name, count).map((value) => {
    const fits = typeof value === "number" && Number.isInteger(value) && value >= least &&
      value <= most;
    if (!fits) bad(`${name} has ${JSON.stringify(value)}, not a usable whole number`);
    return value;
  });
}

/** One word for all stages, or one for each. */
function words(config: JsonObject, name: string, count: number, known: string[]): string[] {
  const single = typeof config[name] === "string";
  const values = single ? Array(count).fill(config[name]) : list(config, name, count);
  return values.map((value) => {
    if (typeof value === "string" && known.includes(value)) return value;
    bad(`${name} has ${JSON.stringify(value)}, supported are ${known.join(" and ")}`);
  });
}

function list(config: JsonObject, name: string, count?: number): JsonValue[] {
  const value = config[name];
  if (!Array.isArray(value) || value.length > 16 || (count ?? value.length) !== value.length) {
    bad(`${name} is no list${count === undefined ? "" : ` of ${count}`}`);
  }
  return value;
}

function supported(config: JsonObject, name: string, only: string): void {
  const value = config[name] ?? only;
  if (value !== only) bad(`${name} is ${JSON.stringify(value)}, only ${only} is supported`);
}

function bad(why: string): never {
  throw new CheckpointError(`Cannot use this configuration: ${why}`, { reason: "BadConfig" });
}
