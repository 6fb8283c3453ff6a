import assert from "node:assert/strict";
import { join } from "node:path";
import { copyFiles } from "../../../files/copy_files.ts";
import { loadPipeline } from "../../../released/load_pipeline.ts";
import { train, type TrainOptions } from "../../../train/train.ts";
import { inFolder } from "../../support/folder.ts";
import { GPU_TEST, testGpu } from "../../support/gpu.ts";
import { uniform } from "../../support/random.ts";
import { stopAt } from "../../support/train.ts";
import { TOY_CONFIG, writeToyWorld } from "../toy_world.ts";

const TEACHER = new URL("../../fixtures/goldens/far-action", import.meta.url).pathname;

async function optionsIn(folder: string): Promise<TrainOptions> {
  return {
    clips: [await writeToyWorld(folder, 12, 6, uniform(1))],
    output: join(folder, "run"),
    model: TEACHER,
    gpu: await testGpu(),
    distill: { steps: 2, teacherSteps: 2, guidance: 1.5, ownContext: 0.5 },
    ...{ frames: 3, batch: 2, heldOut: 0.25, steps: 4, saveEvery: 100, lr: 1e-3 },
  };
}

Deno.test({
  ...GPU_TEST,
  name: "train() distills: it resumes bit for bit, and the model takes few steps by itself",
  fn: () =>
    inFolder(async (folder) => {
      const options = { ...await optionsIn(folder), sampleEvery: 4 };
      const whole = await Array.fromAsync(train(options));
      const stopped = { ...options, output: join(folder, "stopped") };
      await stopAt(train, stopped, 1);
      await stopAt(train, stopped, 3);
      await Array.fromAsync(train(stopped));
      const lines = (await Deno.readTextFile(join(stopped.output, "log.jsonl"))).trim().split("\n");
      const steps = lines.map((line) => JSON.parse(line)).filter(({ event }) => !event);
      assert.deepEqual(steps.map(({ loss }) => loss), whole.map(({ loss }) => loss));
      for (const name of ["model.safetensors", "ema.pth", "optimizer.bin", "random_states_0.pkl"]) {
        const at = (run: string) => Deno.readFile(join(run, "checkpoints", "step-4", name));
        assert.deepEqual(await at(stopped.output), await at(options.output), name);
      }
      const { defaults, description } = JSON.parse(
        await Deno.readTextFile(join(options.output, "far.json")),
      );
      assert.equal(defaults.steps, 2);
      assert.equal(defaults.guidance, 1);
      assert.match(description, /^Distilled with far, to 2 steps/);
      const card = await Deno.readTextFile(join(options.output, "README.md"));
      assert.match(
        card,
        /\| distilled to \| 2 steps per frame, from noise levels 1, 0.5, each from 2 of/,
      );
      const pipeline = await loadPipeline(options.output, { gpu: options.gpu! });
      assert.equal(pipeline.info.defaults.steps, 2);
      assert.deepEqual(pipeline.info.schedule, { shift: 1, shiftTerminal: 0.5 });
      await pipeline.close();
    }),
});

Deno.test({
  ...GPU_TEST,
  name: "train() distills no further from another teacher or for other steps",
  fn: () =>
    inFolder(async (folder) => {
      const options = await optionsIn(folder);
      const model = join(folder, "teacher");
      for (const part of ["", "transformer", "vae", "scheduler"]) {
        await Deno.mkdir(join(model, part), { recursive: true });
        await copyFiles(join(TEACHER, part), join(model, part));
      }
      const own = { ...options, model };
      await stopAt(train, own, 1);
      const refused: [Partial<TrainOptions>, RegExp][] = [
        [{ distill: { ...own.distill!, steps: 3 } }, /`distill` was 2 and is now 3/],
        [{ distill: { ...own.distill!, guidance: 2 } }, /`guidance` was 1.5 and is now 2/],
        [{ distill: undefined, cleanContext: 0.75 }, /`distill` was 2 and is now not given/],
        [{ steps: 5 }, /`steps` was 4 and is now 5/],
      ];
      for (const [more, pattern] of refused) {
        await assert.rejects(Array.fromAsync(train({ ...own, ...more } as TrainOptions)), pattern);
      }
      const weights = join(model, "transformer", "diffusion_pytorch_model.safetensors");
      const bytes = await Deno.readFile(weights);
      bytes[bytes.length - 3]! ^= 1;
      await Deno.writeFile(weights, bytes);
      await assert.rejects(Array.fromAsync(train(own)), /the model that teaches/);
    }),
});

Deno.test("train() distills nothing without a model", async () => {
  const options: TrainOptions = {
    ...{ clips: ["x.npz"], output: "x", steps: 1, distill: { steps: 2 } },
    ...{ config: TOY_CONFIG, vae: TEACHER },
  };
  await assert.rejects(Array.fromAsync(train(options)), /Say which model to distill/);
});
