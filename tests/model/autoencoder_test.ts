import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { imageBuffer, readImage, writeImage } from "../../kernels/image.ts";
import {
  decode,
  decoderIn,
  decoderOut,
  decoderStage,
  encode,
  encoderIn,
  encoderOut,
  encoderStage,
} from "../../model/autoencoder.ts";
import { NpzFile } from "../../media/npz.ts";
import {
  channelsLast,
  type LoadedAutoencoder,
  openAutoencoder,
  runStep,
  type Values,
} from "../support/autoencoder.ts";
import { assertClose } from "../support/close.ts";
import { type Golden, GOLDENS, openGolden } from "../support/far.ts";
import { GPU_TEST } from "../support/gpu.ts";

/** What the goldens' page asks of a forward pass in f32, and with f16 weights. */
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
  dtype: "f32" | "f16" = "f32",
): Promise<void> {
  const model = await openAutoencoder(GOLDENS + name, dtype);
  const golden = await openGolden(`${name}/case.safetensors`);
  try {
    await body(model, golden);
  } finally {
    model.memory.free(model.gpu);
    golden.close();
  }
}

/** Runs steps, each on what the one before gave, and holds every one against its golden. */
async function compare(
  { gpu }: LoadedAutoencoder,
  golden: Golden,
  first: string,
  steps: readonly Step[],
): Promise<void> {
  let x = await read(golden, first);
  for (const [name, step] of steps) {
    x = await runStep(gpu, x, step);
    if (name) assertClose(x.values, (await read(golden, name)).values, TOLERANCE.f32, name);
  }
}

for (const name of NAMES) {
  Deno.test(
    { name: `encoder stages agree with the released code on ${name}`, ...GPU_TEST },
    () =>
      withGolden(name, async (model, golden) => {
        const { encoder } = model.weights;
        await compare(model, golden, "image", [
          ["encoder.conv_in", (p, x) => encoderIn(p, encoder, x)],
          ...encoder.down_blocks.map((stage, i): Step => [
            `encoder.down_blocks.${i}`,
            (p, x) => encoderStage(p, stage, x),
          ]),
          ["latent", (p, x) => encoderOut(p, encoder, x)],
        ]);
      }),
  );

  Deno.test(
    { name: `decoder stages agree with the released code on ${name}`, ...GPU_TEST },
    () =>
      withGolden(name, async (model, golden) => {
        const { decoder } = model.weights;
        // this golden is the convolution's own output; the shortcut comes after it
        await compare(model, golden, "latent", [
          ["decoder.conv_in", (p, x) => conv2d(p, decoder.conv_in, x)],
        ]);
        await compare(model, golden, "latent", [
          [undefined, (p, x) => decoderIn(p, decoder, x)],
          ...decoder.up_blocks.map((stage, i): Step => [
            `decoder.up_blocks.${i}`,
            (p, x) => decoderStage(p, stage, x),
          ]).toReversed(),
          ["reconstruction", (p, x) => decoderOut(p, decoder, x)],
        ]);
      }),
  );

  for (const dtype of ["f32", "f16"] as const) {
    Deno.test(
      { name: `encode() and decode() in one piece on ${name} in ${dtype}`, ...GPU_TEST },
      () =>
        withGolden(name, async ({ gpu, weights }, golden) => {
          const [image, latent] = [await read(golden, "image"), await read(golden, "latent")];
          const encoded = await runStep(gpu, image, (p, x) => encode(p, weights, x));
          assertClose(encoded.values, latent.values, TOLERANCE[dtype], "latent");
          const decoded = await runStep(gpu, latent, (p, x) => decode(p, weights, x));
          const expected = await read(golden, "reconstruction");
          assertClose(decoded.values, expected.values, TOLERANCE[dtype], "reconstruction");
        }, dtype),
    );
  }
}

Deno.test(
  { name: "decode() gives each image of a batch what it gives it alone", ...GPU_TEST },
  () =>
    withGolden("vae-32x", async ({ gpu, weights }, golden) => {
      const { shape: [, h, w, c], values } = await read(golden, "latent");
      const both = await runStep(
        gpu,
        { shape: [2, h!, w!, c!], values },
        (p, x) => decode(p, weights, x),
      );
      const second = values.slice(values.length / 2);
      const alone = await runStep(
        gpu,
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
  const folder = new URL("../../weights/demo/", import.meta.url).pathname;
  using clip = await NpzFile.open(`${folder}clips/0.npz`);
  const { data, shape: [, height, width] } = await clip.read("video");
  const frame = Uint8Array.from(data.slice(0, 3 * height! * width!) as Uint8Array);
  const { gpu, memory, weights } = await openAutoencoder(`${folder}vae`);
  const p = new Program("round trip", memory);
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
