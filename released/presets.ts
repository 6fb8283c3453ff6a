/**
 * The released models as data: sizes by letter, autoencoders by compression, and one row for each
 * published test configuration. Everything else is derived.
 * Source: showlab/FAR at e59536a, far/models and options/; files on the hub.
 */
import type { JsonObject } from "../files/json.ts";

/** Repository of the released checkpoints. */
export const HUB_REPOSITORY = "guyuchao/FAR_Models";

/** Layers and heads of each letter; a head has 64 channels. */
const SIZES = {
  B: { layers: 12, heads: 12 },
  M: { layers: 12, heads: 16 },
  L: { layers: 24, heads: 16 },
  XL: { layers: 28, heads: 18 },
} as const satisfies Record<string, { layers: number; heads: number }>;

/** Named transformers; the long ones have context patches of 4x4. */
export const ARCHITECTURES = {
  FAR_B: { size: "B", long: false },
  FAR_M: { size: "M", long: false },
  FAR_L: { size: "L", long: false },
  FAR_XL: { size: "XL", long: false },
  FAR_B_Long: { size: "B", long: true },
  FAR_M_Long: { size: "M", long: true },
} as const satisfies Record<string, { size: keyof typeof SIZES; long: boolean }>;

/** @internal Name of a released transformer. */
export type ArchitectureName = keyof typeof ARCHITECTURES;

/** Configuration of a named transformer, as in its config.json, without the class. */
export function architectureConfig(name: ArchitectureName): JsonObject {
  const { size, long } = ARCHITECTURES[name];
  return {
    num_layers: SIZES[size].layers,
    num_attention_heads: SIZES[size].heads,
    attention_head_dim: 64,
    in_channels: 32,
    out_channels: 32,
    patch_size: 1,
    axes_dims_rope: [16, 24, 24],
    short_term_ctx_winsize: 16,
    slope_scale: 0,
    ...long ? { context_patch_size: 4 } : {},
  };
}

/** A stage of an autoencoder: channels, and blocks of the encoder and of the decoder. */
export type StageSizes = readonly [channels: number, encoder: number, decoder: number];

/** Stages of the released autoencoders, from the picture inwards; 8x has the first four. */
const STAGES: readonly StageSizes[] = [
  [128, 0, 0],
  [256, 4, 5],
  [512, 8, 10],
  [512, 2, 2],
  [1024, 2, 2],
  [1024, 2, 2],
];
/** Stages from this one on have attention. */
const FIRST_ATTENTION = 3;

/** Factor between the sides of the picture and of the latents. */
export const COMPRESSION = { "8x": 8, "16x": 16, "32x": 32 } as const;

/** Name of a released autoencoder. */
export type AutoencoderName = keyof typeof COMPRESSION;

/** Configuration of a released autoencoder, as in the official model_*_c32_config.json. */
export function autoencoderConfig(name: AutoencoderName): JsonObject {
  return stagesConfig(STAGES, COMPRESSION[name], 0.2889);
}

/** Configuration of an autoencoder of the released kind, with the first stages of these. */
export function stagesConfig(
  all: readonly StageSizes[],
  compression: number,
  scale: number,
): JsonObject {
  const stages = all.slice(0, 1 + Math.log2(compression));
  const types = stages.map((_, i) => i >= FIRST_ATTENTION ? "EfficientViTBlock" : "ResBlock");
  const channels = stages.map(([channels]) => channels);
  return {
    in_channels: 3,
    latent_channels: 32,
    attention_head_dim: 32,
    encoder_block_types: types,
    decoder_block_types: types,
    encoder_block_out_channels: channels,
    decoder_block_out_channels: channels,
    encoder_layers_per_block: stages.map(([, blocks]) => blocks),
    decoder_layers_per_block: stages.map(([, , blocks]) => blocks),
    encoder_qkv_multiscales: stages.map(() => []),
    decoder_qkv_multiscales: stages.map(() => []),
    decoder_norm_types: types.map((type) => type === "ResBlock" ? "batch_norm" : "rms_norm"),
    decoder_act_fns: types.map((type) => type === "ResBlock" ? "relu" : "silu"),
    downsample_block_type: "pixel_unshuffle",
    upsample_block_type: "pixel_shuffle",
    scaling_factor: scale,
  };
}

/** What a model was trained on. */
export type Dataset = "DMLab" | "Minecraft" | "Bair" | "UCF";

/** One published test configuration. */
export interface Preset {
  /** Name in the released test configurations. */
  readonly name: string;
  /** Which of the paper's tests. */
  readonly task: "long_video_prediction" | "short_video_prediction" | "video_generation";
  /** Transformer's sizes. */
  readonly architecture: ArchitectureName;
  /** Entries that differ from the architecture's configuration. */
  readonly config?: JsonObject;
  /** File in the hub's repository; ends in the first 8 digits of its sha256. */
  readonly transformerFile: string;
  /** Autoencoder. */
  readonly vae: AutoencoderName;
  /** Its file in the hub's repository. */
  readonly vaeFile: string;
  /** Frames given. */
  readonly context: number;
  /** Frames generated. */
  readonly frames: number;
  /** Guidance of the published test. */
  readonly guidance: number;
  /** What it was trained on. */
  readonly dataset: Dataset;
  /** Every n-th frame of the data set was used. */
  readonly frameInterval: number;
}

/** Denoising steps of every published test. */
export const PRESET_STEPS = 50;
/** Height and width of the latents of every published model. */
export const PRESET_LATENT_SIZE = 8;
/** Frames per second of the videos that the official trainer saves (far/utils/vis_util.py). */
const PRESET_FPS = 8;

const FOUR_ACTIONS = { condition_cfg: { type: "action", num_action_classes: 4 } };

const DMLAB = {
  task: "long_video_prediction",
  architecture: "FAR_B_Long",
  config: FOUR_ACTIONS,
  transformerFile: "long_video_prediction/FAR_B_Long_DMLab_Action64-c09441dc.pth",
  vae: "8x",
  vaeFile: "dcae/DCAE_DMLab_Res64-17035ae5.pth",
  dataset: "DMLab",
  frameInterval: 1,
} as const satisfies Partial<Preset>;

const MINECRAFT = {
  task: "long_video_prediction",
  architecture: "FAR_M_Long",
  config: FOUR_ACTIONS,
  transformerFile: "long_video_prediction/FAR_M_Long_Minecraft_Action128-4c041561.pth",
  vae: "16x",
  vaeFile: "dcae/DCAE_Minecraft_Res128-a5677f66.pth",
  dataset: "Minecraft",
  frameInterval: 1,
} as const satisfies Partial<Preset>;

const BAIR = {
  task: "short_video_prediction",
  architecture: "FAR_B",
  config: { short_term_ctx_winsize: 30 },
  transformerFile: "short_video_prediction/FAR_B_BAIR_Uncond64-1983191b.pth",
  vae: "8x",
  vaeFile: "dcae/DCAE_BAIR_Res64-1a8547fb.pth",
  dataset: "Bair",
  frameInterval: 1,
} as const satisfies Partial<Preset>;

const UCF_VAES = {
  128: { vae: "16x", vaeFile: "dcae/DCAE_UCF101_Res128-bb9d1258.pth" },
  256: { vae: "32x", vaeFile: "dcae/DCAE_UCF101_Res256-9c4355c8.pth" },
} as const;

/** A test of generation after UCF101. @param digits at the end of the file's name */
function ucf(
  architecture: "FAR_L" | "FAR_XL",
  kind: "Cond" | "Uncond",
  side: 128 | 256,
  digits: string,
): Preset {
  return {
    name: `${architecture}_ucf101_${kind.toLowerCase()}_res${side}_400K_bs32`,
    task: "video_generation",
    architecture,
    ...kind === "Cond" && { config: { condition_cfg: { type: "label", num_classes: 101 } } },
    transformerFile: `video_generation/${architecture}_UCF101_${kind}${side}-${digits}.pth`,
    ...UCF_VAES[side],
    context: 0,
    frames: 16,
    guidance: kind === "Cond" ? 2 : 1,
    dataset: "UCF",
    frameInterval: 3,
  };
}

/** Every published test configuration. */
export const PRESETS: readonly Preset[] = [
  {
    ...DMLAB,
    name: "FAR_B_Long_dmlab_res64_1000K_bs32",
    context: 144,
    frames: 156,
    guidance: 1.5,
  },
  {
    ...DMLAB,
    name: "FAR_B_Long_dmlab_res64_1000K_bs32_36to264",
    context: 36,
    frames: 264,
    guidance: -1,
  },
  {
    ...MINECRAFT,
    name: "FAR_M_Long_minecraft_res128_1000K_bs32",
    context: 144,
    frames: 156,
    guidance: 1.5,
  },
  {
    ...MINECRAFT,
    name: "FAR_M_Long_minecraft_res128_1000K_bs32_36to264",
    context: 36,
    frames: 264,
    guidance: 1.5,
  },
  { ...BAIR, name: "FAR_B_bair_res64_200K_bs32", context: 2, frames: 28, guidance: 1 },
  { ...BAIR, name: "FAR_B_bair_res64_200K_bs32_2to14", context: 2, frames: 14, guidance: 1 },
  {
    name: "FAR_B_ucf101_res64_200K_bs32",
    task: "short_video_prediction",
    architecture: "FAR_B",
    transformerFile: "short_video_prediction/FAR_B_UCF101_Uncond64-381d295f.pth",
    vae: "8x",
    vaeFile: "dcae/DCAE_UCF101_Res64-9da18dcf.pth",
    context: 4,
    frames: 12,
    guidance: 1,
    dataset: "UCF",
    frameInterval: 1,
  },
  ucf("FAR_L", "Cond", 128, "c6f798bf"),
  ucf("FAR_L", "Cond", 256, "41c6033f"),
  ucf("FAR_L", "Uncond", 128, "c19abd2c"),
  ucf("FAR_L", "Uncond", 256, "adea51e9"),
  ucf("FAR_XL", "Cond", 256, "28a88f56"),
  ucf("FAR_XL", "Uncond", 256, "3594ce6b"),
];

/** Configuration of a preset's transformer. */
export function presetConfig({ architecture, config }: Preset): JsonObject {
  return { ...architectureConfig(architecture), ...config };
}

/** Pixels across and down of a preset's videos. */
export function presetPixels({ vae }: Preset): number {
  return PRESET_LATENT_SIZE * COMPRESSION[vae];
}

/**
 * Names of DMLab's actions, found from how the picture moves in a clip of the data set (the class
 * count of the released model is 4, its data has these three).
 */
const DMLAB_ACTIONS = ["left", "right", "forward"];

/** far.json of a preset: what the released classes do not store. */
export function presetFarJson(preset: Preset): JsonObject {
  const pixels = presetPixels(preset);
  return {
    name: preset.name,
    description:
      `${preset.architecture} trained on ${preset.dataset}, ${pixels}x${pixels} pixels ` +
      `(${preset.task.replaceAll("_", " ")}; showlab/FAR)`,
    license: "MIT",
    fps: PRESET_FPS,
    ...preset.dataset === "DMLab" ? { actions: DMLAB_ACTIONS } : {},
    // every released run was trained and measured in bfloat16
    positions: "bf16",
    timesteps: "bf16",
    defaults: {
      frames: preset.frames,
      ...preset.context ? { context_frames: preset.context } : { size: `${pixels}x${pixels}` },
      steps: PRESET_STEPS,
      guidance: preset.guidance,
      ...preset.dataset === "UCF" ? { resize: "bilinear" } : {}, // as its loader of that data set
    },
  };
}
