import assert from "node:assert/strict";
import { loadPipeline } from "../../released/load_pipeline.ts";
import { Trainer } from "../../train/trainer.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";
import { SMALL, SMALL_WEIGHTS, smallBatch } from "./small_trainer.ts";

const DEMO = new URL("../../weights/demo", import.meta.url).pathname;
const WALK = { frames: 3, width: 64, height: 64, actions: [0, 1, 0], steps: 1, seed: 1 };

Deno.test(
  { name: "training changes nothing in what inference computes", ...GPU_TEST },
  async () => {
    const gpu = await testGpu();
    const pipeline = await loadPipeline(DEMO, { gpu, dtype: "f32" });
    const walk = async () => {
      const frames = await Array.fromAsync(pipeline.generate(WALK));
      return frames.map(({ latents, pixels }) => [...latents ?? [], ...pixels.data]);
    };
    try {
      const before = await walk();
      const trainer = await Trainer.open(gpu, { ...SMALL, microBatch: 1 }, SMALL_WEIGHTS);
      await trainer.submit(smallBatch(4, 1));
      const during = await walk();
      await trainer.flush();
      trainer.close();
      assert.deepEqual(during, before);
      assert.deepEqual(await walk(), before);
    } finally {
      await pipeline.close();
    }
  },
);
