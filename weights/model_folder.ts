import { join } from "node:path";
import { isFile, isFolder, unreadable } from "../files/file_source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { findWeights, openCheckpoint } from "./open_checkpoint.ts";
import { CheckpointError, quote } from "../files/errors.ts";
import type { JsonObject } from "../files/json.ts";
import { readJson } from "../files/read_json.ts";
import { readShardIndex } from "./shard_index.ts";

/** One model of a pipeline: its configuration and its weights. */
export interface ModelPart {
  /** Folder of the part. */
  readonly path: string;
  /** Contents of config.json. */
  readonly config: JsonObject;
  /** File of weights, or index of its shards. */
  readonly weights: string;
  /** Opens the weights. @throws {CheckpointError} */
  open(): Promise<Checkpoint>;
}

/** A folder as FARPipeline.save_pretrained writes it, with far.json if there is one. */
export interface ModelFolder {
  /** The folder. */
  readonly path: string;
  /** Contents of model_index.json. */
  readonly modelIndex: JsonObject;
  /** FAR or FAR_Long. */
  readonly transformer: ModelPart;
  /** The autoencoder. */
  readonly vae: ModelPart;
  /** Contents of scheduler/scheduler_config.json. */
  readonly scheduler: JsonObject;
  /** Contents of far.json: name, fps, actions, labels, defaults. */
  readonly far: JsonObject | undefined;
}

/**
 * Reads the configurations of a model folder; its parts open their weights on demand. An
 * autoencoder's own folder counts as a model whose transformer cannot be opened.
 * @throws {CheckpointError} not a folder, a file is missing, or one isn't a JSON object
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const index = join(path, "model_index.json");
  if (await isAutoencoderFolder(path)) return await openAutoencoderFolder(path);
  if (!await isFolder(path) || !await isFile(index)) {
    throw new CheckpointError(
      `Cannot use ${quote(path)} as a model: it is not a folder with a model_index.json`,
      { file: path, reason: "NotFound" },
    );
  }
  return {
    path,
    modelIndex: await readJson(index),
    transformer: await openPart(join(path, "transformer")),
    vae: await openPart(join(path, "vae")),
    scheduler: await readJson(join(path, "scheduler", "scheduler_config.json")),
    far: await readFar(path),
  };
}

async function readFar(path: string): Promise<JsonObject | undefined> {
  const far = join(path, "far.json");
  return await isFile(far) ? await readJson(far) : undefined;
}

/** Whether a folder holds an autoencoder by itself, as `save_pretrained` of its class writes it. */
async function isAutoencoderFolder(path: string): Promise<boolean> {
  const config = join(path, "config.json");
  if (!await isFile(config) || await isFile(join(path, "model_index.json"))) return false;
  return /^(My)?AutoencoderDC$/.test(String((await readJson(config))._class_name));
}

async function openAutoencoderFolder(path: string): Promise<ModelFolder> {
  const vae = await openPart(path);
  const channels = vae.config.latent_channels ?? 0;
  return {
    path,
    modelIndex: { _class_name: "FARPipeline" },
    // the least that takes such latents: it says what the latents are, and is never computed
    transformer: {
      path,
      config: {
        ...{ in_channels: channels, out_channels: channels, patch_size: 1, num_layers: 1 },
        ...{ num_attention_heads: 1, attention_head_dim: 64, axes_dims_rope: [16, 24, 24] },
        short_term_ctx_winsize: 1,
      },
      weights: vae.weights,
      open: () => {
        throw new CheckpointError(
          `Cannot generate with ${quote(path)}: it is an autoencoder without a transformer; ` +
            "train one with this as its `vae`",
          { file: path, reason: "NotFound" },
        );
      },
    },
    vae,
    scheduler: { _class_name: "FlowMatchEulerDiscreteScheduler" },
    far: await readFar(path),
  };
}

/**
 * Checks that a model folder is complete: all configurations and every file of weights.
 * @throws {CheckpointError} as {@linkcode openModelFolder}, or a shard is missing
 */
export async function checkModelFolder(path: string): Promise<void> {
  const { transformer, vae } = await openModelFolder(path);
  for (const { weights } of [transformer, vae]) {
    if (!weights.endsWith(".json")) continue;
    for (const shard of (await readShardIndex(weights)).files) {
      await Deno.stat(shard).catch((cause) => {
        throw unreadable(shard, cause);
      });
    }
  }
}

/** One part alone: a folder with config.json and weights. @throws {CheckpointError} */
export async function openPart(path: string): Promise<ModelPart> {
  const config = await readJson(join(path, "config.json"));
  const weights = await findWeights(path);
  return { path, config, weights, open: () => openCheckpoint(weights) };
}
