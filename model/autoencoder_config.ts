/** Kinds of blocks in a stage, by their names in config.json. */
export type BlockKind = "ResBlock" | "EfficientViTBlock";

/** One resolution of the encoder or the decoder. */
export interface Stage {
  readonly kind: BlockKind;
  readonly channels: number;
  /** Number of blocks; 0 in the first stage omits its resolution. */
  readonly layers: number;
  readonly norm: "rms_norm" | "batch_norm";
  readonly activation: "relu" | "silu";
}

/** Sizes of an autoencoder; stages from the finest resolution to the coarsest, in both halves. */
export interface AutoencoderSizes {
  readonly encoder: readonly Stage[];
  readonly decoder: readonly Stage[];
  readonly latentChannels: number;
  /** Channels of a query, key or value in EfficientViTBlock. */
  readonly headDim: number;
  /** Factor from the encoder's output to the transformer's latents. */
  readonly scalingFactor: number;
  /** Image pixels per latent, along an axis. */
  readonly compression: number;
}

type Json = Readonly<Record<string, unknown>>;

const CLASSES = new Set(["MyAutoencoderDC", "AutoencoderDC"]);
/** Entries with a single supported value, which has no effect here. */
const FIXED = {
  in_channels: 3,
  downsample_block_type: "pixel_unshuffle",
  upsample_block_type: "pixel_shuffle",
  encoder_out_shortcut: true,
  decoder_in_shortcut: true,
  decoder_conv_act_fn: "relu",
} as const;
const HALF = ["block_out_channels", "block_types", "layers_per_block", "qkv_multiscales"];
const KNOWN = new Set([
  "attention_head_dim",
  "latent_channels",
  "scaling_factor",
  "decoder_norm_types",
  "decoder_act_fns",
  ...Object.keys(FIXED),
  ...HALF.flatMap((name) => [`encoder_${name}`, `decoder_${name}`]),
]);

function refuse(why: string): never {
  throw new TypeError(`Cannot use this autoencoder: ${why}`);
}

/**
 * Reads an autoencoder's config.json.
 * @throws {TypeError} names an entry that is missing, malformed or not supported Source: released
 * class `MyAutoencoderDC`, diffusers `AutoencoderDC`.
 */
export function parseAutoencoderConfig(config: Json): AutoencoderSizes {
  for (const name of Object.keys(config)) {
    if (!name.startsWith("_") && !KNOWN.has(name)) {
      refuse(`config entry "${name}" is not supported`);
    }
  }
  const className = config._class_name;
  if (className !== undefined && !CLASSES.has(className as string)) {
    refuse(`class ${JSON.stringify(className)} is not AutoencoderDC`);
  }
  for (const [name, wanted] of Object.entries(FIXED)) {
    const value = config[name] ?? wanted;
    if (value !== wanted) {
      refuse(`${name} ${JSON.stringify(value)} is not supported, only ${wanted}`);
    }
  }
  const latentChannels = positive(config, "latent_channels");
  const headDim = positive(config, "attention_head_dim");
  const encoder = readStages(config, "encoder");
  const decoder = readStages(config, "decoder");
  for (const [name, stages] of [["encoder", encoder], ["decoder", decoder]] as const) {
    checkWidths(name, stages, latentChannels, headDim);
  }
  if (encoder.length !== decoder.length) {
    refuse(`its encoder has ${encoder.length} stages, its decoder ${decoder.length}`);
  }
  // every stage but the last halves the size; if the first is empty, the first convolution does
  const compression = 2 ** (encoder.length - 1);
  const scalingFactor = config.scaling_factor;
  if (typeof scalingFactor !== "number" || !(scalingFactor > 0 && scalingFactor < Infinity)) {
    refuse(`scaling_factor must be a positive number, but is ${JSON.stringify(scalingFactor)}`);
  }
  return { encoder, decoder, latentChannels, headDim, scalingFactor, compression };
}

/** No model has larger sizes, and they would make millions of names. */
const LARGEST = 65536;
const MOST_STAGES = 16;
const MOST_LAYERS = 1000;

function positive(config: Json, name: string): number {
  const value = config[name];
  if (typeof value === "number" && value > LARGEST) {
    refuse(`config entry "${name}" is ${value}; the limit is ${LARGEST}`);
  }
  if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
  refuse(`config entry "${name}" must be a positive whole number, but is ${JSON.stringify(value)}`);
}

/** A list with one entry per stage; where the format allows it, one value stands for all. */
function perStage(config: Json, name: string, stages: number, single = false): unknown[] {
  const value = config[name];
  if (single && typeof value === "string") return new Array(stages).fill(value);
  if (Array.isArray(value) && value.length === stages) return value;
  refuse(`config entry "${name}" must list ${stages} values, but is ${JSON.stringify(value)}`);
}

function oneOf<const T extends string>(value: unknown, what: string, known: readonly T[]): T {
  for (const name of known) if (value === name) return name;
  refuse(`${what} ${JSON.stringify(value)} is not supported, only ${known.join(" and ")}`);
}

function wholes(config: Json, name: string, stages: number, least: number): number[] {
  const values = perStage(config, name, stages);
  for (const value of values) {
    const most = name.includes("layers") ? MOST_LAYERS : LARGEST;
    const whole = typeof value === "number" && Number.isInteger(value);
    if (whole && value >= least && value <= most) continue;
    refuse(
      `config entry "${name}" must hold usable whole numbers, but has ${JSON.stringify(value)}`,
    );
  }
  return values as number[];
}

function readStages(config: Json, half: "encoder" | "decoder"): Stage[] {
  const widths = config[`${half}_block_out_channels`];
  if (!Array.isArray(widths) || widths.length < 2 || widths.length > MOST_STAGES) {
    refuse(`${half}_block_out_channels must list 2 to ${MOST_STAGES} stages`);
  }
  const count = widths.length;
  const channels = wholes(config, `${half}_block_out_channels`, count, 1);
  const layers = wholes(config, `${half}_layers_per_block`, count, 0);
  const kinds = perStage(config, `${half}_block_types`, count, true);
  const decoder = half === "decoder";
  const norms = decoder ? perStage(config, "decoder_norm_types", count, true) : [];
  const activations = decoder ? perStage(config, "decoder_act_fns", count, true) : [];
  const scales = config[`${half}_qkv_multiscales`] ?? [];
  if (!Array.isArray(scales) || scales.some((list) => !Array.isArray(list) || list.length > 0)) {
    refuse(`${half}_qkv_multiscales ${JSON.stringify(scales)} is not supported, only empty lists`);
  }
  return channels.map((width, i) => ({
    kind: oneOf(kinds[i], `${half} block type`, ["ResBlock", "EfficientViTBlock"]),
    channels: width,
    layers: layers[i]!,
    norm: decoder ? oneOf(norms[i], "decoder norm", ["rms_norm", "batch_norm"]) : "rms_norm",
    activation: decoder ? oneOf(activations[i], "decoder activation", ["relu", "silu"]) : "silu",
  }));
}

/** Refuses widths that the shortcuts and the attention cannot divide. */
function checkWidths(half: string, stages: readonly Stage[], latent: number, head: number): void {
  if (latent % 4) refuse(`latent_channels ${latent} is not a multiple of 4`);
  if (head % 4) refuse(`attention_head_dim ${head} is not a multiple of 4`);
  for (const [i, { kind, channels, layers, norm }] of stages.entries()) {
    const coarser = stages[i + 1]?.channels;
    if (channels % 4) refuse(`${half} stage ${i}: ${channels} channels are not a multiple of 4`);
    if (layers === 0 && i > 0) refuse(`${half} stage ${i} has no blocks: only the first may`);
    if (layers > 0 && coarser !== undefined && 4 * channels % coarser) {
      refuse(`${half} stage ${i}: 4 x ${channels} channels are not a multiple of ${coarser}`);
    }
    if (kind === "ResBlock") continue;
    if (channels % head) {
      refuse(`${half} stage ${i}: ${channels} channels are not heads of ${head}`);
    }
    if (norm !== "rms_norm") refuse(`${half} stage ${i}: EfficientViTBlock with ${norm}`);
  }
  const coarsest = stages.at(-1)!.channels;
  if (coarsest % latent) refuse(`${half}: ${coarsest} channels are not a multiple of ${latent}`);
}
