import assert from "node:assert/strict";
import { ShapeError } from "../../gpu/errors.ts";
import { Memory, type Tensor } from "../../gpu/memory.ts";
import { Program } from "../../gpu/program.ts";
import { imageBuffer, readImage, writeImage } from "../../kernels/image.ts";
import { assertClose } from "../support/close.ts";
import { GPU_TEST, runOnce, testGpu } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const SHAPES = [[1, 1, 1], [2, 3, 5], [1, 8, 8], [3, 1, 7]] as const;

for (const [b, h, w] of SHAPES) {
  const pixels = h * w;
  const title = `for ${b} of ${h} x ${w}`;

  Deno.test({ name: `readImage() scales planar floats ${title}`, ...GPU_TEST }, async () => {
    const image = randomFloats(b * 3 * pixels, 1).map(Math.abs);
    const y = await runOnce((p, input) =>
      readImage(p, { pixels: input([b, 3, h, w], image), shape: [b, h, w] })
    );
    const expected = y.map((_, i) => {
      const [pixel, channel] = [Math.floor(i / 4), i % 4];
      const at = (Math.floor(pixel / pixels) * 3 + channel) * pixels + pixel % pixels;
      return channel === 3 ? 0 : image[at]! * 2 - 1;
    });
    assertClose(y, expected, 1e-6);
  });

  Deno.test({ name: `readImage() scales bytes ${title}`, ...GPU_TEST }, async () => {
    const bytes = new Uint8Array(Math.ceil(b * pixels * 3 / 4) * 4).map((_, i) => i * 37);
    const words = new Uint32Array(bytes.buffer);
    const y = await runOnce((p, input) =>
      readImage(p, { pixels: input([words.length], words), shape: [b, h, w] })
    );
    const expected = y.map((_, i) =>
      i % 4 === 3 ? 0 : bytes[3 * Math.floor(i / 4) + i % 4]! / 255 * 2 - 1
    );
    assertClose(y, expected, 1e-6);
  });

  Deno.test(
    { name: `writeImage() clamps to floats and to bytes ${title}`, ...GPU_TEST },
    async () => {
      const x = randomFloats(b * pixels * 4, 1, 1.5);
      const value = (pixel: number, channel: number) =>
        Math.min(1, Math.max(0, x[4 * pixel + channel]! / 2 + 0.5));
      const floats = new Float32Array(await write(x, [b, h, w], "floats"), 0, 3 * b * pixels);
      const planar = floats.map((_, i) => {
        const plane = Math.floor(i / pixels);
        return value(Math.floor(plane / 3) * pixels + i % pixels, plane % 3);
      });
      assertClose(floats, planar, 1e-6);
      const bytes = new Uint8Array(await write(x, [b, h, w], "bytes"), 0, 3 * b * pixels);
      const rounded = bytes.map((_, i) => Math.round(255 * value(Math.floor(i / 3), i % 3)));
      assert.deepEqual(bytes, rounded);
    },
  );
}

async function write(
  x: Float32Array,
  shape: readonly [number, number, number],
  format: "floats" | "bytes",
): Promise<ArrayBuffer> {
  const gpu = await testGpu();
  const memory = new Memory();
  const p = new Program("test", memory);
  const source: Tensor = memory.tensor("x", [...shape, 4]);
  const image = imageBuffer(memory, "image", shape, format);
  try {
    writeImage(p, source, image);
    p.finish();
    memory.allocate(gpu);
    gpu.write(source.buffer, 0, x);
    gpu.run(p);
    return await gpu.read(image.pixels.buffer);
  } finally {
    memory.free(gpu);
  }
}

Deno.test("writeImage() refuses another size", () => {
  const memory = new Memory();
  const p = new Program("test", memory);
  const image = imageBuffer(memory, "image", [1, 4, 4], "bytes");
  assert.throws(() => writeImage(p, memory.tensor("x", [1, 4, 5, 4]), image), ShapeError);
});
