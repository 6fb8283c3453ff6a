import assert from "node:assert/strict";
import { measureProtocol } from "../../bench/protocol.ts";
import { loadPipeline } from "../../released/load_pipeline.ts";
import { GPU_TEST, testGpu } from "../support/gpu.ts";

Deno.test({
  name: "measureProtocol() runs both windows, without and with caches, and frees its memory",
  ...GPU_TEST,
  fn: async () => {
    const gpu = await testGpu();
    const pipeline = await loadPipeline("tests/fixtures/goldens/far-long", { gpu, dtype: "f32" });
    const weights = gpu.allocatedBytes;
    const options = { frames: [1, 6], videos: 2, steps: 1 };
    const runs = await Array.fromAsync(measureProtocol(pipeline, options));
    assert.deepEqual(
      runs.map(({ model, cache, frames }) => `${model} ${cache} ${frames}`),
      ["far-b", "far-b-long"].flatMap((model) =>
        ["false 1", "false 6", "true 1", "true 6"].map((run) => `${model} ${run}`)
      ),
    );
    for (const { seconds, bytes } of runs) {
      assert.ok(seconds! > 0);
      assert.equal(bytes!.allocated, weights);
      assert.ok(bytes!.peak > weights);
    }
    await pipeline.close();
  },
});
