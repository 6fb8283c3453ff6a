import {
  type AutoencoderName,
  COMPRESSION,
  configuredMemory,
  type MemoryNeed,
  type OpenWeights,
  openWeights,
  recognise,
  type Recognised,
  shapeText,
} from "../../app.ts";
import { PRESETS } from "../../mod.ts";
import { countText, sizeText } from "../../cli/amounts.ts";
import { UsageError } from "../../cli/errors.ts";
import type { Inspection } from "./inspection.ts";
import { commandJson, commandLines } from "./made_by.ts";
import { settingsOf } from "../../cli/settings.ts";

/** A tensor in the JSON of `far inspect`. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Sums over the tensors of a file. */
export interface WeightsSummary {
  readonly tensors: readonly TensorEntry[];
  readonly values: number;
  readonly bytes: number;
  /** Number of tensors by type. */
  readonly dtypes: Readonly<Record<string, number>>;
}

/**
 * Contents of a file of weights.
 * @param frames compute the memory for generating so many, if it is a transformer
 */
export async function inspectWeights(path: string, frames?: number): Promise<Inspection> {
  const weights = await openWeights(path);
  using _ = weights.checkpoint;
  return describe(weights, frames);
}

/** Lists and adds up the tensors of open weights. */
export function summarise(checkpoint: OpenWeights["checkpoint"]): WeightsSummary {
  const dtypes: Record<string, number> = {};
  let [values, bytes] = [0, 0];
  const tensors = checkpoint.names.map((name) => {
    const info = checkpoint.info(name)!;
    dtypes[info.dtype] = (dtypes[info.dtype] ?? 0) + 1;
    values += info.shape.includes(0) ? 0 : info.shape.reduce((a, b) => a * b, 1);
    bytes += info.bytes;
    return { name, dtype: info.dtype, shape: info.shape, bytes: info.bytes };
  });
  return { tensors, values, bytes, dtypes };
}

function describe(weights: OpenWeights, frames: number | undefined): Inspection {
  const { file, format, metadata, notes } = weights;
  const summary = summarise(weights.checkpoint);
  const found = recognise(new Map(summary.tensors.map(({ name, shape }) => [name, shape])));
  const memory = frames === undefined ? [] : memoryOf(found, frames);
  const settings = settingsOf(metadata);
  const lines = [`file        ${file}`, `format      ${format}`, totals(summary)];
  for (const note of notes) lines.push(`note        ${note}`);
  if (found) {
    const what = found.name ?? found.config._class_name;
    lines.push(
      `is          ${found.kind} ${what}, by its shapes: ${configLine(found.config)}`,
      `assumed     ${found.assumed.join(", ")}`,
    );
  }
  for (const { autoencoder, ...need } of memory) {
    lines.push(
      `memory      on the GPU for ${frames} frames unguided, with the autoencoder ${autoencoder}: ` +
        describeNeed(need),
    );
  }
  if (settings) lines.push(...commandLines(settings));
  for (const [key, value] of metadata) {
    const isCommand = settings && key === "comment";
    if (!key.startsWith("far.") && !isCommand) {
      lines.push(`metadata    ${key} = ${value}`);
    }
  }
  for (const line of tensorLines(summary)) lines.push(line); // too many to spread into a call
  return {
    lines,
    json: {
      file,
      format,
      metadata: Object.fromEntries(metadata),
      ...commandJson(settings),
      notes,
      recognised: found,
      memory,
      ...summary,
    },
  };
}

/** GPU memory by type of the weights. */
export interface Needs {
  readonly f32: MemoryNeed;
  readonly f16: MemoryNeed;
}

/** Memory with each released autoencoder of the architecture, or with the smallest. */
function memoryOf(
  found: Recognised | undefined,
  frames: number,
): (Needs & { readonly autoencoder: AutoencoderName })[] {
  if (found?.kind !== "transformer") {
    throw new UsageError("Cannot compute memory: --frames is for a model folder or a transformer");
  }
  const released = PRESETS.filter(({ architecture }) => architecture === found.name);
  const names = new Set(released.map(({ vae }) => vae));
  if (names.size === 0) names.add(Object.keys(COMPRESSION)[0] as AutoencoderName);
  return [...names].map((autoencoder) => {
    const need = (dtype: "f32" | "f16") =>
      configuredMemory(found.config, autoencoder, { frames, dtype });
    return { autoencoder, f32: need("f32"), f16: need("f16") };
  });
}

/** `f32 1.19 GB (weights 1.03 GB, run 163.7 MB), f16 ...` */
export function describeNeed({ f32, f16 }: Needs): string {
  const described = ({ total, weights, run }: MemoryNeed) =>
    `${sizeText(total)} (weights ${sizeText(weights)}, run ${sizeText(run)})`;
  return `f32 ${described(f32)}, f16 ${described(f16)}`;
}

/** `values      684.7 thousand in 46 tensors (F32 46), 2.7 MB` */
export function totals({ tensors, values, bytes, dtypes }: WeightsSummary): string {
  const types = Object.entries(dtypes).map(([type, count]) => `${type} ${count}`).join(", ");
  const many = tensors.length === 1 ? "tensor" : "tensors";
  return `values      ${countText(values)} in ${tensors.length} ${many} (${types}), ` +
    sizeText(bytes);
}

/** One line per tensor. */
export function tensorLines({ tensors }: WeightsSummary): string[] {
  const names = tensors.map(({ name }) => name);
  const width = names.reduce((most, { length }) => Math.min(80, Math.max(most, length)), 0);
  return tensors.map(({ dtype, shape }, i) =>
    `  ${names[i]!.padEnd(width)}  ${dtype.padEnd(5)} ${shapeText(shape)}`
  );
}

/** The entries of a configuration that distinguish models. */
export function configLine(config: Readonly<Record<string, unknown>>): string {
  const condition = config.condition_cfg as Record<string, unknown> | null | undefined;
  const entries: [string, unknown][] = [
    ["layers", config.num_layers],
    ["heads", config.num_attention_heads],
    ["patch", config.patch_size],
    ["context patch", config.context_patch_size],
    ["window", config.short_term_ctx_winsize],
    ["labels", condition?.num_classes],
    ["actions", condition?.num_action_classes],
    ["slope", config.slope_scale || undefined],
    ["latent channels", config.latent_channels],
    ["stages", (config.encoder_block_out_channels as number[] | undefined)?.join(" ")],
    ["scaling factor", config.scaling_factor],
  ];
  return entries.filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name} ${value}`).join(", ");
}
