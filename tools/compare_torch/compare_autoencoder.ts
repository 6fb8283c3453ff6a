/**
 * Trains an autoencoder in far and in PyTorch, a step of each in turns, from the same weights on the
 * same pictures: seconds of a step by the wall's clock and of all cores together, how far the losses
 * are apart, and the PSNR of unseen pictures at the end. It is the small autoencoder that `far train
 * CLIPS -o DIR` makes, at 16x. Seconds on the wall mean little on a machine that others use.
 *
 *     deno run -A tools/compare_torch/compare_autoencoder.ts env/bin/python CLIPS [STEPS [BATCH]]
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Gpu } from "../../mod.ts";
import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import { autoencoderShapes } from "../../released/architecture.ts";
import { initialAutoencoder, listAutoencoderParameters } from "../../train/autoencoder/parameters.ts";
import { AUTOENCODER_SETTINGS } from "../../train/autoencoder/settings.ts";
import { AutoencoderTrainer } from "../../train/autoencoder/trainer.ts";
import { PICTURES } from "../../train/data/picture_clip.ts";
import { openData } from "../../train/data/open_data.ts";
import { writeTensors } from "../../train/folder/run_folder.ts";
import { autoencoderOf } from "../../train/world/sizes.ts";
import { lineReader, type Torch } from "./torch_process.ts";

const UNSEEN = 32;
const WARMUP = 10;
const PEAK_LR = 1e-3;
