import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { convertModel, type ConvertOptions } from "../../released/convert.ts";
import { openModelFolder } from "../../weights/model_folder.ts";
import { PRESETS } from "../../released/presets.ts";
import { readFloats, readIntegers, SafetensorsFile } from "../../weights/safetensors.ts";
import { WorkFolder } from "../../files/work_folder.ts";
import { bytes, dict, pickle, pth, tensor, text } from "../weights/torch_bytes.ts";
import {
  TINY_TRANSFORMER,
  TINY_VAE,
  tinyShapes,
  wave,
  writeWeights,
} from "../weights/tiny_model.ts";

const GOLDENS = `${import.meta.dirname}/../fixtures/goldens/`;
const WEIGHTS = "diffusion_pytorch_model.safetensors";

/** Runs with a folder that holds the weights of a tiny model, and options that convert it. */
async function withTiny(
  use: (folder: string, options: ConvertOptions) => Promise<void>,
  value: (n: number, name: string) => number = wave,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const shapes = tinyShapes();
  const transformer = join(folder, "transformer.safetensors");
  const vae = join(folder, "vae.safetensors");
  await writeWeights(transformer, shapes.transformer, value);
  await writeWeights(vae, shapes.vae, value);
  const output = join(folder, "model");
  try {
    const config = TINY_TRANSFORMER;
    await use(folder, { transformer, vae, output, config, vaeConfig: TINY_VAE });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder)))
    .map(({ name }) => name).sort();

Deno.test("convertModel() makes of far-uncond.pth the folder the official code saved", async () => {
  const folder = await Deno.makeTempDir();
  const output = join(folder, "model");
  const golden = `${GOLDENS}far-uncond`;
  const report = await convertModel({
    transformer: `${GOLDENS}checkpoints/far-uncond.pth`,
    vae: `${golden}/vae`,
    output,
  });
  equal(report.transformer.parameters, 684_704);
  deepEqual(
    await Deno.readFile(join(output, "transformer", WEIGHTS)),
    await Deno.readFile(join(golden, "transformer", WEIGHTS)),
  );
  deepEqual(
    await Deno.readFile(join(output, "vae", WEIGHTS)),
    await Deno.readFile(join(golden, "vae", WEIGHTS)),
  );
  const [made, expected] = [await openModelFolder(output), await openModelFolder(golden)];
  deepEqual(made.modelIndex, expected.modelIndex);
  deepEqual(made.scheduler, expected.scheduler);
  deepEqual(made.transformer.config, { condition_cfg: null, ...expected.transformer.config });
  deepEqual(made.vae.config, expected.vae.config);
  deepEqual(made.far, { name: "model" });
  deepEqual(await names(output), [
    "far.json",
    "model_index.json",
    "scheduler",
    "transformer",
    "vae",
  ]);
  deepEqual(await names(folder), ["model"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("convertModel() keeps bfloat16 and adds the counters that a bfloat16 copy lacks", async () => {
  const folder = await Deno.makeTempDir();
  const output = join(folder, "model");
  const report = await convertModel({
    transformer: `${GOLDENS}far-action/transformer`,
    vae: `${GOLDENS}checkpoints/vae-bf16.pth`,
    vaeConfig: JSON.parse(await Deno.readTextFile(`${GOLDENS}far-uncond/vae/config.json`)),
    output,
  });
  deepEqual(report.vae.from, { BF16: 68 });
  deepEqual(report.vae.to, { BF16: 68, I64: 2 });
  const file = await SafetensorsFile.open(join(output, "vae", WEIGHTS));
  deepEqual(await readIntegers(file, "decoder.up_blocks.1.1.norm.num_batches_tracked"), [0]);
  file.close();
  await Deno.remove(folder, { recursive: true });
});

for (const [dtype, step] of [["f16", 2 ** -11], ["bf16", 2 ** -8], ["f32", 0]] as const) {
  Deno.test(`convertModel() casts to ${dtype} and reports the largest rounding error`, async () => {
    await withTiny(async (_, options) => {
      const report = await convertModel({ ...options, dtype });
      const file = await SafetensorsFile.open(join(options.output, "transformer", WEIGHTS));
      let largest = 0;
      for (const { name, dtype: written } of file.tensors.values()) {
        equal(written, dtype.toUpperCase());
        const values = await readFloats(file, name);
        values.forEach((value, n) => {
          const error = Math.abs(value - Math.fround(wave(n)));
          ok(error <= step * Math.abs(wave(n)) + 2 ** -25, `${name}[${n}]`);
          largest = Math.max(largest, error);
        });
      }
      equal(report.transformer.rounding?.error ?? 0, largest);
      file.close();
    });
  });
}

Deno.test("convertModel() keeps types but writes doubles as float32", async () => {
  await withTiny(async (_, options) => {
    await writeWeights(options.transformer, tinyShapes().transformer, wave, "F64");
    const report = await convertModel(options);
    deepEqual(Object.keys(report.transformer.from), ["F64"]);
    deepEqual(Object.keys(report.transformer.to), ["F32"]);
    ok(report.transformer.rounding!.error > 0);
  });
});

Deno.test("convertModel() refuses values beyond f16, and leaves no folder", async () => {
  const value = (n: number, name: string) => name === "proj_out.bias" && n === 3 ? 70000 : wave(n);
  await withTiny(async (folder, options) => {
    await rejects(convertModel({ ...options, dtype: "f16" }), { reason: "Overflow" });
    deepEqual(await names(folder), ["transformer.safetensors", "vae.safetensors"]);
    await convertModel({ ...options, dtype: "bf16" });
  }, value);
});

Deno.test("convertModel() refuses NaN unless told otherwise (row 50)", async () => {
  const value = (n: number, name: string) => name === "proj_out.bias" && n > 29 ? NaN : wave(n);
  await withTiny(async (_, options) => {
    await rejects(convertModel(options), {
      reason: "NonFinite",
      message: /"proj_out\.bias": 2 of its values/,
    });
    const report = await convertModel({ ...options, allowNonFinite: true });
    equal(report.transformer.nonFinite, 2);
  }, value);
});

Deno.test("convertModel() lists what is missing and extra, and what the weights are instead", async () => {
  await withTiny(async (folder, options) => {
    const wrong = { ...options, config: { ...TINY_TRANSFORMER, num_layers: 2 } };
    await rejects(convertModel(wrong), (error: Error) => {
      match(error.message, /18 missing \("transformer_blocks\.1\./);
      match(error.message, /its weights look like FAR$/);
      return true;
    });
    await rejects(convertModel({ ...options, transformer: options.vae }), /look like MyAuto/);
    await rejects(
      convertModel({ ...options, preset: PRESETS[0]! }),
      /missing .*"action_embedder\.embedding_table\.weight"|of another shape/,
    );
    deepEqual(await names(folder), ["transformer.safetensors", "vae.safetensors"]);
  });
});

Deno.test("convertModel() resumes: a finished part is kept, the result is the same", async () => {
  await withTiny(async (folder, options) => {
    const whole = await convertModel({ ...options, output: join(folder, "whole") });
    const { signal, abort } = stoppable();
    const onProgress = (done: number) => void (done > whole.transformer.bytes && abort());
    const interrupted = convertModel({ ...options, signal, onProgress });
    await rejects(interrupted, { name: "AbortError" });
    deepEqual((await names(folder)).includes("model"), false);
    const vae = join(folder, ".model.partial", "vae");
    await Deno.writeTextFile(join(vae, `${WEIGHTS}.1234.partial`), "what kill -9 leaves");
    const resumed = await convertModel(options);
    ok(resumed.notes.includes("transformer: kept from the run before"));
    equal(resumed.transformer.sha256, whole.transformer.sha256);
    equal(resumed.vae.sha256, whole.vae.sha256);
    for (const part of ["", "transformer", "vae"]) {
      deepEqual(await names(join(folder, "model", part)), await names(join(folder, "whole", part)));
    }
  });
});

/** An abort that acts only once: the last part must be at work when it comes. */
function stoppable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

Deno.test("convertModel() doesn't keep parts of other inputs or damaged ones", async () => {
  await withTiny(async (folder, options) => {
    const partial = join(folder, ".model.partial");
    const { size } = await Deno.stat(options.transformer);
    const interrupt = async () => {
      const { signal, abort } = stoppable();
      const onProgress = (done: number) => void (done > size && abort());
      await rejects(convertModel({ ...options, signal, onProgress }), { name: "AbortError" });
    };
    await interrupt();
    const file = await Deno.open(join(partial, "transformer", WEIGHTS), { write: true });
    await file.write(bytes("damaged"));
    file.close();
    const damaged = await convertModel(options);
    equal(damaged.notes.some((note) => note.includes("kept")), false);
    await Deno.remove(options.output, { recursive: true });
    await interrupt();
    const other = await convertModel({ ...options, dtype: "bf16" });
    equal(other.notes.some((note) => note.includes("kept")), false);
    deepEqual(Object.keys(other.transformer.to), ["BF16"]);
  });
});

Deno.test("convertModel() doesn't touch an existing folder unless told to", async () => {
  await withTiny(async (folder, options) => {
    await Deno.mkdir(options.output);
    await convertModel(options); // an empty folder is as good as none
    await Deno.writeTextFile(join(options.output, "mine.txt"), "mine");
    await rejects(convertModel(options), { reason: "Unwritable", message: /it exists/ });
    equal(await Deno.readTextFile(join(options.output, "mine.txt")), "mine");
    await convertModel({ ...options, overwrite: true });
    deepEqual((await names(options.output)).includes("mine.txt"), false);
    deepEqual((await names(folder)).length, 3);
  });
});

Deno.test("convertModel() refuses while another one writes the same folder", async () => {
  await withTiny(async (_, options) => {
    const other = await WorkFolder.open(options.output, "x");
    await rejects(convertModel(options), { message: /another process is writing it/ });
    await other[Symbol.asyncDispose]();
    await convertModel(options);
  });
});

Deno.test("convertModel() reads a checkpoint folder of FAR's trainer, the EMA copy first", async () => {
  await withTiny(async (folder, options) => {
    const checkpoint = join(folder, "checkpoint-1000");
    await Deno.mkdir(checkpoint);
    const { transformer } = tinyShapes();
    await writeWeights(join(checkpoint, "model.safetensors"), transformer, () => 1);
    const storages: Record<string, Uint8Array> = {};
    const items = [...transformer].flatMap(([name, shape], i) => {
      const elements = shape.reduce((a, b) => a * b, 1);
      storages[i] = new Uint8Array(new Float32Array(elements).fill(2).buffer);
      const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
      const parts = { key: String(i), elements, shape: [...shape], strides };
      return [text(name), tensor(parts)];
    });
    await Deno.writeFile(join(checkpoint, "ema.pth"), pth(pickle(dict(...items)), storages));
    const first = async () => {
      const file = await SafetensorsFile.open(join(options.output, "transformer", WEIGHTS));
      const values = await readFloats(file, "proj_out.bias");
      file.close();
      return values[0];
    };
    const report = await convertModel({ ...options, transformer: checkpoint });
    equal(await first(), 2);
    match(report.notes[0]!, /ema\.pth/);
    const plain = { ...options, transformer: checkpoint, stateDict: { ema: false } };
    await convertModel({ ...plain, overwrite: true });
    equal(await first(), 1);
  });
});

Deno.test("convertModel() writes the same bytes twice", async () => {
  await withTiny(async (folder, options) => {
    const a = await convertModel({ ...options, dtype: "f16", output: join(folder, "a") });
    const b = await convertModel({ ...options, dtype: "f16", output: join(folder, "b") });
    deepEqual([a.transformer.sha256, a.vae.sha256], [b.transformer.sha256, b.vae.sha256]);
  });
});

Deno.test("convertModel() refuses configurations that contradict themselves", async () => {
  await withTiny(async (_, options) => {
    const cases: [Partial<ConvertOptions>, RegExp][] = [
      [{ architecture: "FAR_S" }, /"FAR_S" is not one of FAR_B/],
      [{ architecture: "FAR", config: { _class_name: "FAR_Long" } }, /FAR does not have the class/],
      [{ config: { ...TINY_TRANSFORMER, depth: 3 } }, /entry "depth" is not supported/],
      [
        { vaeConfig: { ...TINY_VAE, _class_name: "AutoencoderKL" } },
        /"AutoencoderKL" is not AutoencoderDC/,
      ],
      [
        { vaeConfig: { ...TINY_VAE, scaling_factor: 0 } },
        /scaling_factor must be a positive number/,
      ],
      [{ vaeConfig: { ...TINY_VAE, depth: 3 } }, /entry "depth" is not supported/],
      [{ transformer: "/nowhere.pth" }, /no such file/],
    ];
    for (const [change, message] of cases) {
      await rejects(convertModel({ ...options, ...change }), { name: "CheckpointError", message });
    }
  });
});

Deno.test("convertModel() says where it cannot write", async () => {
  await withTiny(async (folder, options) => {
    const file = join(folder, "file");
    await Deno.writeTextFile(file, "");
    await rejects(convertModel({ ...options, output: join(file, "model") }), {
      reason: "Unwritable",
      message: /^Cannot write (?!.*it exists)/,
    });
    await rejects(convertModel({ ...options, output: file }), { message: /it exists/ });
  });
});
