import { type OpenWeights, openWeights, printable, recognise, shapeText } from "../mod.ts";
import { countText, sizeText } from "./amounts.ts";
import type { Inspection } from "./inspect.ts";
import { commandLine, settingsOf } from "./settings.ts";

/** One tensor as the JSON of `far inspect` has it. */
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

/** What a file of weights holds. */
export async function inspectWeights(path: string): Promise<Inspection> {
  const weights = await openWeights(path);
  try {
    return describe(weights);
  } finally {
    weights.checkpoint.close();
  }
}

/** Lists and adds up the tensors of open weights. */
export function summarise({ checkpoint }: OpenWeights): WeightsSummary {
  const dtypes: Record<string, number> = {};
  let [values, bytes] = [0, 0];
  const tensors = checkpoint.names.map((name) => {
    const info = checkpoint.info(name)!;
    dtypes[info.dtype] = (dtypes[info.dtype] ?? 0) + 1;
    values += info.shape.reduce((a, b) => a * b, 1);
    bytes += info.bytes;
    return { name, dtype: info.dtype, shape: info.shape, bytes: info.bytes };
  });
  return { tensors, values, bytes, dtypes };
}

function describe(weights: OpenWeights): Inspection {
  const { file, format, metadata, notes } = weights;
  const summary = summarise(weights);
  const found = recognise(new Map(summary.tensors.map(({ name, shape }) => [name, shape])));
  const settings = settingsOf(metadata);
  const lines = [`file        ${printable(file)}`, `format      ${format}`, totals(summary)];
  for (const note of notes) lines.push(`note        ${note}`);
  if (found) {
    const what = found.name ?? found.config._class_name;
    lines.push(
      `is          ${found.kind} ${what}, by its shapes: ${configLine(found.config)}`,
      `assumed     ${found.assumed.join(", ")}`,
    );
  }
  if (settings) lines.push(`made by     ${printable(commandLine(settings))}`);
  for (const [key, value] of metadata) {
    if (!key.startsWith("far.")) lines.push(`metadata    ${printable(`${key} = ${value}`)}`);
  }
  lines.push(...tensorLines(summary));
  return {
    text: lines.join("\n"),
    json: {
      file,
      format,
      metadata: Object.fromEntries(metadata),
      settings,
      notes,
      recognised: found,
      ...summary,
    },
  };
}

/** `values      684.7 thousand in 46 tensors (F32 46), 2.7 MB` */
export function totals({ tensors, values, bytes, dtypes }: WeightsSummary): string {
  const types = Object.entries(dtypes).map(([type, count]) => `${type} ${count}`).join(", ");
  const many = tensors.length === 1 ? "tensor" : "tensors";
  return `values      ${countText(values)} in ${tensors.length} ${many} (${types}), ` +
    sizeText(bytes);
}

/** A line for each tensor. */
export function tensorLines({ tensors }: WeightsSummary): string[] {
  const names = tensors.map(({ name }) => printable(name));
  const width = Math.min(80, Math.max(0, ...names.map((name) => name.length)));
  return tensors.map(({ dtype, shape }, i) =>
    `  ${names[i]!.padEnd(width)}  ${dtype.padEnd(5)} ${shapeText(shape)}`
  );
}

/** The numbers of a configuration that tell models apart. */
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
