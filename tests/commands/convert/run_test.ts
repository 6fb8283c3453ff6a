import { deepEqual, equal, match, notDeepEqual, rejects } from "node:assert/strict";
import { join } from "node:path";
import { describeConverted, run } from "../../../commands/convert/run.ts";
import { inspectModel } from "../../../commands/inspect/model.ts";
import { InterruptedError } from "../../../cli/errors.ts";
import { loadPipeline } from "../../../released/load_pipeline.ts";
import { pairOf, writeAdapters } from "../../support/adapters.ts";
import { GPU_TEST, testGpu } from "../../support/gpu.ts";
import { inFolder } from "../../support/folder.ts";
import { recorder } from "../../support/recorder.ts";
import { TINY_TRANSFORMER, TINY_VAE, tinyShapes, writeWeights } from "../../weights/tiny_model.ts";

type Options = Parameters<typeof run>[0]["options"];

/** Runs the command; what it wrote. */
async function convert(
  options: Options,
  signal: AbortSignal = new AbortController().signal,
) {
  const terminal = recorder();
  await run({ options, operands: [], terminal, signal });
  return terminal;
}

async function withTiny(use: (folder: string, options: Options) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const path = (name: string) => join(folder, name);
    const shapes = tinyShapes();
    await writeWeights(path("t.safetensors"), shapes.transformer);
    await writeWeights(path("v.safetensors"), shapes.vae);
    await Deno.writeTextFile(path("t.json"), JSON.stringify(TINY_TRANSFORMER));
    await Deno.writeTextFile(path("v.json"), JSON.stringify(TINY_VAE));
    await use(folder, {
      transformer: path("t.safetensors"),
      vae: path("v.safetensors"),
      config: path("t.json"),
      vaeConfig: path("v.json"),
      output: path("model"),
    });
  });
}

Deno.test("far convert writes a model folder and reports rounding errors", async () => {
  await withTiny(async (folder, options) => {
    const { stdout } = await convert({ ...options, dtype: "f16" });
    match(stdout, /^Wrote .*model\n {2}transformer {2}\d+ tensors, .*F32 to F16, largest rounding/);
    equal((await Deno.stat(join(folder, "model/transformer/config.json"))).isFile, true);
  });
});

Deno.test("far convert says after a signal that it can continue", async () => {
  await withTiny(async (_, options) => {
    const stopped = AbortSignal.abort(new InterruptedError("SIGINT"));
    await rejects(convert(options, stopped), { status: 130, message: /are kept; run it again/ });
  });
});

Deno.test("far convert --json prints the report", async () => {
  await withTiny(async (_, options) => {
    const { stdout } = await convert({ ...options, json: true });
    const report = JSON.parse(stdout);
    deepEqual(report.vae.to, { F32: 22, I64: 1 });
    match(report.transformer.sha256, /^[0-9a-f]{64}$/);
  });
});

Deno.test("far convert says what is missing on its command line", async () => {
  await rejects(convert({ transformer: "a.pth" }), { name: "UsageError", message: /--vae FILE/ });
  const all = { transformer: "a", vae: "b", output: "c" };
  await rejects(convert({ ...all, preset: "x", architecture: "FAR" }), {
    name: "UsageError",
    message: /not both/,
  });
  await rejects(convert({ ...all, preset: "FAR_B_ucf101_res64_200K_bs3x" }), {
    name: "UsageError",
    message: /did you mean "FAR_B_ucf101_res64_200K_bs32"/,
  });
});

const Q = "transformer_blocks.0.attn.to_q";
const LORA = [...pairOf(Q, [64, 64], 4), ...pairOf("proj_out", [32, 64], 2)];

Deno.test(
  "far convert --merge-lora gives the numbers that loading with the LoRA gives",
  GPU_TEST,
  async () => {
    await withTiny(async (folder, options) => {
      await convert({ ...options });
      const lora = await writeAdapters(join(folder, "lora.safetensors"), LORA);
      const model = join(folder, "model");
      const merged = join(folder, "merged");
      await convert({ model, mergeLora: `${lora}:0.5`, output: merged });
      const gpu = await testGpu();
      const latents = async (path: string, scale?: number) => {
        const pipeline = await loadPipeline(path, {
          gpu,
          dtype: "f32",
          ...(scale !== undefined && { lora: { path: lora, scale } }),
        });
        const run = { frames: 2, steps: 2, width: 8, height: 8 };
        const made = (await Array.fromAsync(pipeline.generate(run))).map(({ latents }) => latents);
        await pipeline.close();
        return made;
      };
      const melted = await latents(merged);
      deepEqual(melted, await latents(model, 0.5));
      deepEqual(await latents(model), await latents(model, 0));
      notDeepEqual(melted, await latents(model));
      await Deno.remove(merged, { recursive: true });
    });
  },
);

Deno.test("far convert --model keeps types, names, clips and noise levels", async () => {
  await withTiny(async (folder, options) => {
    await convert({ ...options, dtype: "bf16" });
    const model = join(folder, "model");
    await Deno.writeTextFile(join(model, "far.json"), '{"name": "mine", "fps": 5}');
    await Deno.mkdir(join(model, "clips"));
    await Deno.writeTextFile(join(model, "clips", "0.npz"), "a clip");
    const scheduler = (path: string) => join(path, "scheduler", "scheduler_config.json");
    const even = JSON.parse(await Deno.readTextFile(scheduler(model)));
    const shifted = { ...even, shift: 3, shift_terminal: 0.25 };
    await Deno.writeTextFile(scheduler(model), JSON.stringify(shifted));
    const mergeLora = await writeAdapters(join(folder, "lora.safetensors"), LORA);
    const output = join(folder, "merged");
    const { stdout } = await convert({ model, mergeLora, output, json: true });
    deepEqual(JSON.parse(stdout).transformer.to, { BF16: JSON.parse(stdout).transformer.tensors });
    deepEqual(JSON.parse(await Deno.readTextFile(join(output, "far.json"))), {
      name: "mine",
      fps: 5,
    });
    equal(await Deno.readTextFile(join(output, "clips", "0.npz")), "a clip");
    deepEqual(JSON.parse(await Deno.readTextFile(scheduler(output))), shifted);
    match((await inspectModel(output, {})).lines.join("\n"), /steps +shift 3, .* noise level 0.25/);
  });
});

Deno.test("far convert --merge-lora refuses a LoRA of another model", async () => {
  await withTiny(async (folder, options) => {
    const foreign = await writeAdapters(
      join(folder, "lora.safetensors"),
      pairOf("unet.mid_block.attn.to_q", [64, 64], 4),
    );
    await rejects(convert({ ...options, mergeLora: foreign }), {
      name: "CheckpointError",
      message: /1 of its 1 layers are not in the model: "unet.mid_block.attn.to_q"$/,
    });
    await rejects(Deno.stat(join(folder, "model")));
  });
});

Deno.test("far convert names a configuration that cannot be read", async () => {
  await withTiny(async (folder, options) => {
    await Deno.writeTextFile(join(folder, "t.json"), "{");
    await rejects(convert(options), { name: "CheckpointError", message: /t\.json": .* at byte 1/ });
    await rejects(convert({ ...options, config: join(folder, "none.json") }), /no such file/);
  });
});

Deno.test("far convert knows the released autoencoders by name", async () => {
  await withTiny(async (_, options) => {
    await rejects(convert({ ...options, vaeConfig: "8x" }), {
      name: "CheckpointError",
      message: /missing .*its weights look like MyAutoencoderDC/,
    });
  });
});

Deno.test("describeConverted() counts values that are not finite", () => {
  const part = {
    bytes: 10,
    sha256: "",
    tensors: 1,
    parameters: 2,
    from: { F32: 1 },
    to: { F32: 1 },
    rounding: undefined,
    nonFinite: 3,
  };
  const text = describeConverted({ output: "m", transformer: part, vae: part, notes: [] });
  match(text, /1 tensors, 2 values, 10 bytes, F32, 3 values are not finite/);
});
