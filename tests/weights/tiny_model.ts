// A model of a few thousand numbers, for tests that convert.
import { autoencoderShapes, type Shapes, transformerShapes } from "../../released/architecture.ts";
import type { JsonObject } from "../../files/json.ts";
import { type Dtype, writeSafetensors } from "../../weights/safetensors.ts";

export const TINY_TRANSFORMER: JsonObject = {
  num_layers: 1,
  num_attention_heads: 1,
  attention_head_dim: 64,
  in_channels: 32,
  out_channels: 32,
  patch_size: 1,
  axes_dims_rope: [16, 24, 24],
  short_term_ctx_winsize: 16,
};

export const TINY_VAE: JsonObject = {
  in_channels: 3,
  latent_channels: 32,
  attention_head_dim: 32,
  encoder_block_types: ["ResBlock", "ResBlock"],
  decoder_block_types: ["ResBlock", "ResBlock"],
  encoder_block_out_channels: [16, 32],
  decoder_block_out_channels: [16, 32],
  encoder_layers_per_block: [0, 1],
  decoder_layers_per_block: [0, 1],
  encoder_qkv_multiscales: [[], []],
  decoder_qkv_multiscales: [[], []],
  decoder_norm_types: ["batch_norm", "batch_norm"],
  decoder_act_fns: ["relu", "relu"],
  downsample_block_type: "pixel_unshuffle",
  upsample_block_type: "pixel_shuffle",
  scaling_factor: 0.5,
};

/** Shapes of both parts. */
export const tinyShapes = (): { transformer: Shapes; vae: Shapes } => ({
  transformer: transformerShapes(TINY_TRANSFORMER),
  vae: autoencoderShapes(TINY_VAE),
});

/** The n-th value of every tensor: a sum of sines, never exactly a half or a bfloat16. */
export const wave = (n: number): number => Math.sin(n * 0.7) + 0.3 * Math.sin(n * 2.1 + 1);

/** Writes a safetensors file of these shapes. */
export async function writeWeights(
  path: string,
  shapes: Shapes,
  value: (n: number, name: string) => number = wave,
  dtype: Dtype = "F32",
): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const sink = {
    async write(bytes: Uint8Array) {
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    },
  };
  const entries = [...shapes].map(([name, shape]) => {
    const length = shape.reduce((a, b) => a * b, 1);
    const values = Array.from({ length }, (_, n) => value(n, name));
    const array = dtype === "F64" ? new Float64Array(values) : new Float32Array(values);
    return { name, dtype, shape, data: new Uint8Array(array.buffer) };
  });
  await writeSafetensors(sink, entries);
}
