import assert from "node:assert/strict";
import { join } from "node:path";
import { loadPipeline } from "../../../released/load_pipeline.ts";
import { type AutoencoderOptions, trainAutoencoder } from "../../../train/autoencoder/train.ts";
import type { TrainEvent } from "../../../train/train.ts";
import { GPU_TEST, testGpu } from "../../support/gpu.ts";
import { TINY_AUTOENCODER } from "../../support/tiny_autoencoder.ts";
import { stopAt } from "../../support/train.ts";
import { inFolder } from "../../support/folder.ts";
import { stepsOfRun, tinyOptions } from "../../support/autoencoder_training.ts";

Deno.test({
  ...GPU_TEST,
  name: "trainAutoencoder() stopped and resumed equals a run that was not, bit for bit",
  fn: () =>
    inFolder(async (folder) => {
      const options = await tinyOptions(folder, { latentNoise: 0.1 });
      const whole = await stepsOfRun(options);
      const stopped = { ...options, output: join(folder, "stopped") };
      await stopAt(trainAutoencoder, stopped, 2);
      const events: TrainEvent[] = [];
      const rest = await stepsOfRun({ ...stopped, onEvent: (event) => events.push(event) });
      assert.ok(events.some(({ event }) => event === "resumed"));
      assert.deepEqual(rest.at(-1)!.loss, whole.at(-1)!.loss);
      for (const name of ["model.safetensors", "ema.pth", "optimizer.bin", "random_states_0.pkl"]) {
        const at = (run: string) => Deno.readFile(join(run, "checkpoints", "step-4", name));
        assert.deepEqual(await at(stopped.output), await at(options.output), name);
      }
      for (const name of ["config.json", "diffusion_pytorch_model.safetensors"]) {
        const at = (run: string) => Deno.readFile(join(run, name));
        assert.deepEqual(await at(stopped.output), await at(options.output), name);
      }
      await assert.rejects(stepsOfRun({ ...stopped, latentNoise: 0 }), /latentNoise. was 0.1/);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "trainAutoencoder() validates, samples, reports and makes what encodes and decodes",
  fn: () =>
    inFolder(async (folder) => {
      const events: TrainEvent[] = [];
      const options = await tinyOptions(folder, {
        ...{ steps: 12, heldOut: 0.2, validateEvery: 4, sampleEvery: 12, ema: 0, lr: 4e-3 },
        onEvent: (event) => events.push(event),
      });
      const steps = await stepsOfRun(options);
      assert.ok(steps.at(-1)!.loss < 0.8 * steps[0]!.loss, "it learns");
      const psnr = events.flatMap((event) => event.event === "validation" ? event.psnr! : []);
      assert.equal(psnr.length, 3);
      assert.ok(psnr.at(-1)! > psnr[0]!, `${psnr}`);
      const { output } = options;
      assert.ok((await Deno.stat(join(output, "samples", "step-12.png"))).size > 0);
      assert.match(await Deno.readTextFile(join(output, "report.html")), /PSNR of validation/);
      const config = JSON.parse(await Deno.readTextFile(join(output, "config.json")));
      const gpu = await testGpu();
      const pipeline = await loadPipeline(output, { gpu, dtype: "f32", parts: "autoencoder" });
      const latents = await pipeline.encode(new Float32Array(3 * 24 * 24).fill(0.5), 24, 24);
      assert.deepEqual([latents.length, config.scaling_factor > 0], [4 * 9, true]);
      await pipeline.close();
      const generating = loadPipeline(output, { gpu, dtype: "f32" });
      await assert.rejects(generating, /it is an autoencoder without a transformer/);
      await Deno.mkdir(join(folder, "foreign"));
      await Deno.writeTextFile(join(folder, "foreign", "config.json"), "{}");
      const foreign = stepsOfRun({ ...options, output: join(folder, "foreign") });
      await assert.rejects(foreign, /holds a model that was not trained there/);
      // and on from it, with other settings
      const again = await stepsOfRun({
        ...options,
        ...{ config: undefined, model: output, output: join(folder, "more"), steps: 1 },
      });
      assert.ok(again[0]!.loss < steps[3]!.loss);
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "trainAutoencoder() refuses what does not fit",
  fn: () =>
    inFolder(async (folder) => {
      const options = await tinyOptions(folder, {});
      const refused: [Partial<AutoencoderOptions>, RegExp][] = [
        [{ config: undefined }, /give a model or a configuration/],
        [{ frames: 4 }, /has 3 frames, and a window of 4 needs 4/],
        [{ size: { width: 20, height: 24 } }, /20x24: its sides must be multiples of 8/],
        [{ batch: 0 }, /batch must be a whole number above 0, not 0/],
        [{ latentNoise: -1 }, /noise of latents must not be -1/],
        [{ loss: { l1: 0, edges: 0, structure: 0 } }, /all parts of the loss weigh 0/],
        [{ loss: { lpips: 1 } }, /LPIPS needs its networks; give `lpips`/],
        [{ lpips: [options.clips[0]!] }, /Cannot measure LPIPS by/],
        [{ loss: { l1: -1 } }, /the weight of the loss's l1 must not be -1/],
        [{ freeze: ["nothing.*"] }, /Cannot freeze "nothing\.\*"/],
        [{ freeze: ["*"] }, /everything is frozen/],
        [{ config: { ...TINY_AUTOENCODER, latent_channels: 6 } }, /not a multiple of 4/],
      ];
      for (const [index, [more, expected]] of refused.entries()) {
        const output = join(folder, `refused-${index}`);
        await assert.rejects(stepsOfRun({ ...options, output, ...more }), expected);
      }
    }),
});
