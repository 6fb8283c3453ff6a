import { join } from "node:path";
import { encodeNpz } from "../../media/npz.ts";

/** A tiny autoencoder, 8x, with every kind of block and norm. */
export const TINY_AUTOENCODER = {
  ...{ in_channels: 3, latent_channels: 4, attention_head_dim: 8 },
  encoder_block_types: ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
  decoder_block_types: ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
  encoder_block_out_channels: [8, 8, 8, 8],
  decoder_block_out_channels: [8, 8, 8, 8],
  encoder_layers_per_block: [0, 1, 1, 1],
  decoder_layers_per_block: [0, 1, 1, 1],
  encoder_qkv_multiscales: [[], [], [], []],
  decoder_qkv_multiscales: [[], [], [], []],
  downsample_block_type: "pixel_unshuffle",
  upsample_block_type: "pixel_shuffle",
  decoder_norm_types: ["batch_norm", "batch_norm", "batch_norm", "rms_norm"],
  decoder_act_fns: ["relu", "relu", "relu", "silu"],
  scaling_factor: 1,
};

/** Clips of a bright square that moves over a slope, as .npz of a folder. */
export async function writeClips(
  folder: string,
  { clips, frames, size }: Record<"clips" | "frames" | "size", number>,
): Promise<string> {
  const path = join(folder, "clips");
  await Deno.mkdir(path);
  for (let clip = 0; clip < clips; clip++) {
    const data = new Uint8Array(frames * size * size * 3);
    for (let i = 0; i < data.length; i++) {
      const [colour, x, y] = [i % 3, Math.floor(i / 3) % size, Math.floor(i / 3 / size) % size];
      const at = (Math.floor(i / 3 / size / size) + 3 * clip) % size;
      const inside = Math.abs(x - at) < 3 && Math.abs(y - size / 2) < 4;
      data[i] = inside
        ? 240 - 60 * colour
        : 40 + Math.floor(100 * (x + y * (colour + 1)) / size / 4);
    }
    const video = { type: "|u1" as const, shape: [frames, size, size, 3], data };
    await Deno.writeFile(join(path, `${clip}.npz`), encodeNpz({ video }));
  }
  return path;
}
