/**
 * Sizes as letters, used in comments throughout: B batch, F frames, T tokens of a frame, H heads,
 * d = 64 H width, C latent channels, h w latent height and width, p patch, P context patch.
 */
export interface FarSizes {
  /** Blocks. */
  readonly layers: number;
  /** Attention heads of 64. */
  readonly heads: number;
  /** Model width, 64 heads. */
  readonly d: number;
  /** Latent channels in and out. */
  readonly channels: number;
  /** Side of a patch, in latents. */
  readonly patch: number;
  /** Patch size of long-term context frames; undefined for FAR, which has no context patches. */
  readonly contextPatch: number | undefined;
  /** Frames of the short-term window; Infinity for FAR, whose window contains all frames. */
  readonly window: number;
  /** Frames the model was trained on at full resolution (short_term_ctx_winsize as written). */
  readonly trainedWindow: number;
  /** FlexRoPE's temporal decay per frame. */
  readonly slope: number;
  /** Head dims rotated by frame, row and column. */
  readonly axes: readonly [number, number, number];
  /** What each frame or video is conditioned on. */
  readonly condition: Condition;
}

/** What a model is conditioned on: `count` classes; the null class has the index `count`. */
export interface Condition {
  /** A class per video, an action per frame, or nothing. */
  readonly kind: "none" | "label" | "action";
  /** Number of classes. */
  readonly count: number;
}

const KNOWN = new Set([
  "attention_head_dim",
  "axes_dims_rope",
  "condition_cfg",
  "context_patch_size",
  "in_channels",
  "num_attention_heads",
  "num_layers",
  "out_channels",
  "patch_size",
  "short_term_ctx_winsize",
  "slope_scale",
]);

type Json = Readonly<Record<string, unknown>>;

function refuse(why: string): never {
  throw new TypeError(`Cannot use this transformer: ${why}`);
}

/**
 * Reads a transformer's config.json.
 * @throws {TypeError} names an entry that is missing, malformed or not supported Source: released
 * classes `FAR` and `FAR_Long`.
 */
export function parseTransformerConfig(config: Json): FarSizes {
  for (const name of Object.keys(config)) {
    if (!name.startsWith("_") && !KNOWN.has(name)) {
      refuse(`config entry "${name}" is not supported`);
    }
  }
  const long = isLong(config);
  const heads = positive(config, "num_attention_heads");
  const channels = positive(config, "in_channels");
  expectEqual(config, "attention_head_dim", 64);
  expectEqual(config, "out_channels", channels);
  const patch = positive(config, "patch_size");
  if (channels * patch ** 2 % 4) refuse(`${channels} channels are not a multiple of 4`);
  const trainedWindow = positive(config, "short_term_ctx_winsize");
  if (!long && config.context_patch_size !== undefined) {
    refuse("FAR has no context_patch_size, which is FAR_Long's");
  }
  return {
    layers: positive(config, "num_layers"),
    heads,
    d: 64 * heads,
    channels,
    patch,
    contextPatch: long ? contextPatch(config, patch) : undefined,
    window: long ? trainedWindow : Infinity,
    trainedWindow,
    slope: slope(config),
    axes: axes(config),
    condition: parseCondition(config.condition_cfg),
  };
}

/**
 * Whether a configuration is FAR_Long's: by its class, or else by its context patches.
 * @throws {TypeError} another class
 */
export function isLong(config: Json): boolean {
  const name = config._class_name;
  if (name === undefined) return config.context_patch_size !== undefined;
  if (name === "FAR" || name === "FAR_Long") return name === "FAR_Long";
  refuse(`class ${JSON.stringify(name)} is neither FAR nor FAR_Long`);
}

/** No model has larger sizes; a million layers would be ten million names. */
const LARGEST = 65536;
const MOST_LAYERS = 1000;

function positive(config: Json, name: string): number {
  const value = config[name];
  const most = name === "num_layers" ? MOST_LAYERS : LARGEST;
  if (typeof value === "number" && Number.isInteger(value) && value > most) {
    refuse(`config entry "${name}" is ${value}; the limit is ${most}`);
  }
  if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
  refuse(`config entry "${name}" must be a positive whole number, but is ${JSON.stringify(value)}`);
}

function expectEqual(config: Json, name: string, wanted: number): void {
  if (positive(config, name) === wanted) return;
  refuse(`config entry "${name}" is ${config[name]}, only ${wanted} is supported`);
}

function contextPatch(config: Json, patch: number): number {
  const value = positive(config, "context_patch_size");
  if (value % patch === 0) return value;
  refuse(`context_patch_size ${value} is not a multiple of patch_size ${patch}`);
}

function slope(config: Json): number {
  const value = config.slope_scale ?? 0;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  refuse(`slope_scale must be a number, not ${JSON.stringify(value)}`);
}

function axes(config: Json): [number, number, number] {
  const value = config.axes_dims_rope;
  const fits = Array.isArray(value) && value.length === 3 &&
    value.every((n) => Number.isInteger(n) && n > 0 && n % 8 === 0) &&
    value[0] + value[1] + value[2] === 64 && value[1] === value[2];
  if (fits) return value as [number, number, number];
  refuse(
    `axes_dims_rope ${JSON.stringify(value)} is not supported ` +
      "(three multiples of 8 that add up to 64, rows and columns alike)",
  );
}

function parseCondition(value: unknown): Condition {
  if (value === null || value === undefined) return { kind: "none", count: 0 };
  if (typeof value !== "object" || Array.isArray(value)) {
    refuse(`condition_cfg ${JSON.stringify(value)} is not an object`);
  }
  const condition = value as Json;
  if (condition.type === "label") {
    return { kind: "label", count: positive(condition, "num_classes") };
  }
  if (condition.type === "action") {
    return { kind: "action", count: positive(condition, "num_action_classes") };
  }
  refuse(`condition_cfg type ${JSON.stringify(condition.type)} is unknown`);
}
