import { preview, type TrainPreview } from "../preview.ts";
import type { AutoencoderOptions } from "./options.ts";
import { AUTOENCODER } from "./run.ts";

/**
 * Opens the data, plans the memory and measures a few steps of an autoencoder's training. Nothing is
 * written.
 * @throws as `trainAutoencoder`
 */
export function previewAutoencoder(options: AutoencoderOptions): Promise<TrainPreview> {
  return preview(AUTOENCODER, options);
}
