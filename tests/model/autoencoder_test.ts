import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { imageBuffer, readImage, writeImage } from "../../kernels/image.ts";
import {
  activationKind,
  decode,
  decoderIn,
  decoderOut,
  decoderStage,
  encode,
  encoderIn,
  encoderOut,
  encoderStage,
} from "../../model/autoencoder.ts";
import { parseAutoencoderConfig } from "../../model/autoencoder_config.ts";
import { NpzFile } from "../../media/npz.ts";
import {
  channelsLast,
  type LoadedAutoencoder,
  openAutoencoder,
  runStep,
  type Values,
} from "../support/autoencoder.ts";
import { assertGolden, relativeError } from "../support/close.ts";
import { type Golden, GOLDENS, openGolden } from "../support/far.ts";
import { GPU_TEST, KERNELS } from "../support/gpu.ts";

/** Errors that the goldens' page allows a forward pass in f32, and with f16 weights. */
const TOLERANCE = { f32: 2e-4, f16: 2e-2 };
const NAMES = ["vae-8x", "vae-16x", "vae-32x"];

type Step = readonly [golden: string | undefined, step: (p: Program, x: Tensor) => Tensor];

/** A golden tensor, channels last; images get a fourth channel of zeros. */
async function read(golden: Golden, name: string): Promise<Values> {
  const shape = golden.shape(name);
  return channelsLast({ shape, values: await golden.floats(name) }, Math.max(4, shape[1]!));
}

async function withGolden(
  name: string,
  body: (model: LoadedAutoencoder, golden: Golden) => Promise<void>,
  { dtype = "f32", by = "own kernels" }: { dtype?: "f32" | "f16"; by?: string } = {},
): Promise<void> {
  const model = await openAutoencoder(GOLDENS + name, dtype, KERNELS[by]);
  const golden = await openGolden(`${name}/case.safetensors`);
  try {
    await body(model, golden);
  } finally {
    model.memory.free(model.gpu);
    golden.close();
  }
}

/** Runs steps, each on what the one before gave; the error of every one that has a golden. */
async function compare(
  model: LoadedAutoencoder,
  golden: Golden,
  first: string,
  steps: readonly Step[],
): Promise<Record<string, number>> {
  const errors: Record<string, number> = {};
  let x = await read(golden, first);
  for (const [name, step] of steps) {
    x = await runStep(model, x, step);
    if (name) errors[name] = relativeError(x.values, (await read(golden, name)).values);
  }
  return errors;
}

for (const name of NAMES) {
  for (const by of ["own kernels", "GPU kernels"]) {
    const place = { golden: name, by, tolerance: TOLERANCE.f32 };
    Deno.test(
      { name: `encoder stages agree with the released code on ${name}, ${by}`, ...GPU_TEST },
      () =>
        withGolden(name, async (model, golden) => {
          const { encoder } = model.weights;
          const errors = await compare(model, golden, "image", [
            ["encoder.conv_in", (p, x) => encoderIn(p, encoder, x)],
            ...encoder.down_blocks.map((stage, i): Step => [
              `encoder.down_blocks.${i}`,
              (p, x) => encoderStage(p, stage, x),
            ]),
            ["latent", (p, x) => encoderOut(p, encoder, x)],
          ]);
          assertGolden({ ...place, what: "encoder, stage by stage" }, errors);
        }, { by }),
    );

    Deno.test(
      { name: `decoder stages agree with the released code on ${name}, ${by}`, ...GPU_TEST },
      () =>
        withGolden(name, async (model, golden) => {
          const { decoder } = model.weights;
          // this golden is the convolution's own output; the shortcut comes after it
          const convIn = await compare(model, golden, "latent", [
            ["decoder.conv_in", (p, x) => conv2d(p, decoder.conv_in, x)],
          ]);
          const errors = await compare(model, golden, "latent", [
            [undefined, (p, x) => decoderIn(p, decoder, x)],
            ...decoder.up_blocks.map((stage, i): Step => [
              `decoder.up_blocks.${i}`,
              (p, x) => decoderStage(p, stage, x),
            ]).toReversed(),
            ["reconstruction", (p, x) => decoderOut(p, decoder, x)],
          ]);
          assertGolden({ ...place, what: "decoder, stage by stage" }, { ...convIn, ...errors });
        }, { by }),
    );

    for (const dtype of ["f32", "f16"] as const) {
      const what = `encode and decode, ${dtype}`;
      Deno.test(
        { name: `encode() and decode() agree on ${name} in ${dtype}, ${by}`, ...GPU_TEST },
        () =>
          withGolden(name, async (model, golden) => {
            const { weights } = model;
            const [image, latent] = [await read(golden, "image"), await read(golden, "latent")];
            const expected = await read(golden, "reconstruction");
            const encoded = await runStep(model, image, (p, x) => encode(p, weights, x));
            const decoded = await runStep(model, latent, (p, x) => decode(p, weights, x));
            const errors = {
              latent: relativeError(encoded.values, latent.values),
              reconstruction: relativeError(decoded.values, expected.values),
            };
            assertGolden({ ...place, what, tolerance: TOLERANCE[dtype] }, errors);
          }, { dtype, by }),
      );
    }
  }
}

Deno.test(
  { name: "encode() and decode() agree in buffers too, as large pictures need them", ...GPU_TEST },
  () =>
    withGolden("vae-16x", async (model, golden) => {
      const [image, latent] = [await read(golden, "image"), await read(golden, "latent")];
      const expected = await read(golden, "reconstruction");
      const { weights } = model;
      const encoded = await runStep(model, image, (p, x) => encode(p, weights, x), "storage");
      const decoded = await runStep(model, latent, (p, x) => decode(p, weights, x), "storage");
      assert.ok(relativeError(encoded.values, latent.values) < TOLERANCE.f32);
      assert.ok(relativeError(decoded.values, expected.values) < TOLERANCE.f32);
    }),
);

Deno.test("activationKind() chooses images as far as every device has them", async () => {
  const folder = `${GOLDENS}vae-16x/config.json`;
  const sizes = parseAutoencoderConfig(JSON.parse(await Deno.readTextFile(folder)));
  const of = (pixels: number, cpu = true) =>
    activationKind({ cpu, subgroupSize: 8 }, sizes, pixels);
  assert.equal(of(64 * 64), "texture");
  assert.equal(of(64 * 64, false), "storage");
  assert.equal(of(2 ** 25), "storage");
});

Deno.test(
  { name: "decode() gives each image of a batch the result that it gives it alone", ...GPU_TEST },
  () =>
    withGolden("vae-32x", async (model, golden) => {
      const { weights } = model;
      const { shape: [, h, w, c], values } = await read(golden, "latent");
      const both = await runStep(
        model,
        { shape: [2, h!, w!, c!], values },
        (p, x) => decode(p, weights, x),
      );
      const second = values.slice(values.length / 2);
      const alone = await runStep(
        model,
        { shape: [1, h!, w!, c!], values: second },
        (p, x) => decode(p, weights, x),
      );
      assert.deepEqual(both.values.slice(alone.values.length), alone.values);
    }),
);

Deno.test(
  { name: "encode() refuses sizes that are not whole latents", ...GPU_TEST },
  () =>
    withGolden("vae-8x", ({ weights }) => {
      const memory = new Memory();
      const p = new Program("test", memory);
      const image = memory.tensor("image", [1, 32, 60, 4]);
      assert.throws(() => encode(p, weights, image), (error: Error) => {
        assert.ok(error instanceof ShapeError);
        assert.equal(error.message, "Cannot encode images of 60 x 32: both must be multiples of 8");
        return true;
      });
      return Promise.resolve();
    }),
);

Deno.test({ name: "the demo model's autoencoder reproduces its clips", ...GPU_TEST }, async () => {
  const folder = `${import.meta.dirname}/../../weights/demo/`;
  using clip = await NpzFile.open(`${folder}clips/0.npz`);
  const { data, shape: [, height, width] } = await clip.read("video");
  const frame = Uint8Array.from(data.slice(0, 3 * height! * width!) as Uint8Array);
  const { gpu, memory, weights, device } = await openAutoencoder(`${folder}vae`);
  const p = new Program("round trip", memory, device);
  const size = [1, height!, width!] as const;
  const [input, output] = ["clip", "copy"].map((name) => imageBuffer(memory, name, size, "bytes"));
  try {
    p.scope(() =>
      writeImage(p, decode(p, weights, encode(p, weights, readImage(p, input!))), output!)
    );
    p.finish();
    memory.allocate(gpu);
    gpu.write(input!.pixels.buffer, 0, frame);
    gpu.run(p);
    const copy = new Uint8Array(await gpu.read(output!.pixels.buffer), 0, frame.length);
    const error = frame.reduce((sum, v, i) => sum + (v - copy[i]!) ** 2, 0) / frame.length;
    const psnr = 10 * Math.log10(255 ** 2 / error);
    assert.ok(psnr > 30, `PSNR ${psnr} dB`);
  } finally {
    memory.free(gpu);
  }
});
