import { Memory } from "../../gpu/memory.ts";
import { tensorKind } from "../../gpu/tuning.ts";
import { decode, encode, loadAutoencoder } from "../../model/autoencoder.ts";
import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import { Loader } from "../../model/loader.ts";
import { SyntheticWeights } from "../../model/synthetic_weights.ts";
import type { TensorInfo } from "../../weights/tensor_file.ts";
import { decodeReference, encodeReference, type Weights } from "../reference/autoencoder.ts";
import { runStep } from "../support/autoencoder.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";
import { unpad } from "../support/weights.ts";

const [CHANNELS, LATENT] = [8, 4];

/** No released model has blocks at the full size, and no golden; plain loops stand in. */
const HALF = {
  block_out_channels: [CHANNELS, CHANNELS],
  block_types: "ResBlock",
  layers_per_block: [1, 1],
};
const CONFIG = {
  ...Object.fromEntries(Object.entries(HALF).map(([name, value]) => [`encoder_${name}`, value])),
  ...Object.fromEntries(Object.entries(HALF).map(([name, value]) => [`decoder_${name}`, value])),
  decoder_norm_types: "rms_norm",
  decoder_act_fns: "silu",
  attention_head_dim: 4,
  latent_channels: LATENT,
  scaling_factor: 1,
};

/** Keeps what was asked for, so that the reference computes with the same numbers. */
class RememberedWeights extends SyntheticWeights {
  readonly #infos: TensorInfo[] = [];

  override expect(name: string, shape: readonly number[]): TensorInfo {
    const info = super.expect(name, shape);
    this.#infos.push(info);
    return info;
  }

  async values(): Promise<Weights> {
    const made = new Map<string, Float32Array>();
    for (const info of this.#infos) {
      const bytes = await this.readRange(info, 0, info.bytes);
      made.set(info.name, new Float32Array(bytes.buffer as ArrayBuffer));
    }
    return (name) => made.get(name)!;
  }
}

Deno.test(
  { name: "encode() and decode() with blocks at the full size match the reference", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const bench = { gpu, device: gpu.adapter };
    const memory = new Memory();
    const source = new RememberedWeights();
    const loader = new Loader(source, memory, "f32", tensorKind(gpu.adapter));
    const weights = loadAutoencoder(loader, parseAutoencoderConfig(CONFIG));
    const values = await source.values();
    const [h, w] = [4, 6];
    const rgb = randomFloats(h * w * 3, 1);
    const image = Float32Array.from(
      { length: h * w * 4 },
      (_, i) => i % 4 === 3 ? 0 : rgb[3 * Math.floor(i / 4) + i % 4]!,
    );
    try {
      await loader.fill(gpu);
      const latents = await runStep(
        bench,
        { shape: [1, h, w, 4], values: image },
        (p, x) => encode(p, weights, x),
      );
      const expected = encodeReference(values, { h, w, c: 3, x: rgb }, CHANNELS, LATENT);
      assertClose(latents.values, expected.x, 1e-5, "latents");
      const copy = await runStep(bench, latents, (p, x) => decode(p, weights, x));
      const decoded = decodeReference(values, { ...expected, x: latents.values }, CHANNELS);
      assertClose(unpad(copy.values, h * w, 3), decoded.x, 1e-5, "image");
    } finally {
      memory.free(gpu);
    }
  },
);
