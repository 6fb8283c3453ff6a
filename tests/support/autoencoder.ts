import type { Gpu } from "../../gpu/gpu.ts";
import { Memory, type MemoryKind, type Tensor } from "../../gpu/memory.ts";
import { type DeviceProfile, tensorKind } from "../../gpu/tuning.ts";
import { Program } from "../../gpu/program.ts";
import { inKind } from "../../kernels/copy.ts";
import { type AutoencoderWeights, loadAutoencoder } from "../../model/autoencoder.ts";
import { type AutoencoderSizes, parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import { Loader } from "../../model/loader.ts";
import { isBatchCount } from "../../weights/checkpoint.ts";
import { openCheckpoint } from "../../weights/open_checkpoint.ts";
import { testGpu, upload } from "./gpu.ts";

/** An autoencoder with its weights on the test GPU. */
export interface LoadedAutoencoder {
  readonly gpu: Gpu;
  readonly memory: Memory;
  readonly sizes: AutoencoderSizes;
  readonly weights: AutoencoderWeights;
  /** The device whose kernels it uses. */
  readonly device: DeviceProfile;
}

/** Loads a folder with config.json and weights. */
export async function openAutoencoder(
  folder: string,
  dtype: "f32" | "f16" = "f32",
  kernels: (gpu: Gpu) => DeviceProfile = ({ adapter }) => adapter,
): Promise<LoadedAutoencoder> {
  const gpu = await testGpu();
  const device = kernels(gpu);
  const memory = new Memory();
  const config = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  const sizes = parseAutoencoderConfig(config);
  const checkpoint = await openCheckpoint(folder);
  const loader = new Loader(checkpoint, memory, dtype, tensorKind(device));
  const weights = loadAutoencoder(loader, sizes);
  checkpoint.finish(isBatchCount);
  await loader.fill(gpu);
  checkpoint.close();
  return { gpu, memory, sizes, weights, device };
}

/** A tensor as the CPU sees it. */
export interface Values {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Records one step on a tensor with these values, runs it and reads its result. */
export async function runStep(
  { gpu, device }: Pick<LoadedAutoencoder, "gpu" | "device">,
  { shape, values }: Values,
  step: (p: Program, x: Tensor) => Tensor,
  kind: MemoryKind = tensorKind(device),
): Promise<Values> {
  const memory = new Memory();
  const p = new Program("test", memory, device);
  try {
    let y!: Tensor;
    p.scope(() => {
      y = inKind(p, step(p, inKind(p, upload(gpu, memory, shape, values), kind)), "storage");
    });
    p.finish();
    memory.allocate(gpu);
    gpu.run(p);
    return { shape: y.shape, values: await gpu.readFloats(y) };
  } finally {
    memory.free(gpu);
  }
}

/** [b, c, h, w] to [b, h, w, c with zeros up to `width`]. */
export function channelsLast({ shape, values }: Values, width = shape[1]!): Values {
  const [b, c, h, w] = shape as [number, number, number, number];
  const to = new Float32Array(b * h * w * width);
  for (let i = 0; i < values.length; i++) {
    const [pixel, channel] = [i % (h * w), Math.floor(i / (h * w)) % c];
    const image = Math.floor(i / (h * w) / c);
    to[(image * h * w + pixel) * width + channel] = values[i]!;
  }
  return { shape: [b, h, w, width], values: to };
}
