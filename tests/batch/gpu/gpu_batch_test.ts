import assert from "node:assert/strict";
import { joinParts, largestBatch, sampleOf, shapeKey } from "../../../batch/gpu/gpu_batch.ts";
import type { BatchPart } from "../../../batch/gpu/gpu_batch.ts";

const FRAME = 3 * 2 * 2;

function part(videos: number, first: number, options: Partial<BatchPart["generate"]> = {}) {
  const plan = {
    videos,
    contextFrames: 1,
    generatedFrames: 2,
    width: 2,
    height: 2,
    steps: 4,
    guidance: 1,
    modelCalls: 8,
    dispatchesPerStep: 1,
    bytes: { weights: 0, run: 0, total: 0 },
    noiseShape: [videos, 2, 1, 1, 1],
  } as const;
  const generate = {
    frames: 2,
    count: videos,
    width: 2,
    height: 2,
    contextFrames: 1,
    context: new Float32Array(FRAME).fill(first),
    actions: [first, first, first],
    seed: BigInt(first),
    rng: "cuda",
    ...options,
  } as const;
  return { plan, generate, noise: new Float32Array(videos * 2).fill(first) };
}

Deno.test("shapeKey() is equal where jobs can share a batch", () => {
  assert.equal(shapeKey(part(1, 1)), shapeKey(part(3, 2)));
  const other = part(1, 1);
  assert.notEqual(shapeKey(other), shapeKey({ ...other, plan: { ...other.plan, steps: 5 } }));
  assert.notEqual(shapeKey(other), shapeKey(part(1, 1, { solver: "heun" })));
  assert.notEqual(shapeKey(other), shapeKey(part(1, 1, { actions: undefined })));
});

Deno.test("joinParts() keeps each job's own noise, context and actions", () => {
  const joined = joinParts([part(1, 1), part(2, 2), part(1, 3)]);
  assert.equal(joined.count, 4);
  assert.equal(joined.seed, undefined);
  assert.equal(joined.rng, undefined);
  assert.deepEqual([...joined.noise!], [1, 1, 2, 2, 2, 2, 3, 3]);
  const firsts = [0, 1, 2, 3].map((video) => joined.context![video * FRAME]);
  assert.deepEqual(firsts, [1, 2, 2, 3]);
  assert.equal(joined.context!.length, 4 * FRAME);
  assert.deepEqual(joined.actions, [[1, 1, 1], [2, 2, 2], [2, 2, 2], [3, 3, 3]]);
});

Deno.test("joinParts() keeps a job's context and label per video", () => {
  const context = Float32Array.from({ length: 2 * FRAME }, (_, i) => i);
  const labels = { actions: undefined, context: undefined, contextFrames: 0 };
  const joined = joinParts([part(2, 0, { context }), part(1, 5)]);
  assert.deepEqual([...joined.context!.subarray(0, 2 * FRAME)], [...context]);
  const labelled = joinParts([
    part(2, 0, { ...labels, labels: [4] }),
    part(2, 0, { ...labels, labels: [6, 7] }),
  ]);
  assert.deepEqual(labelled.labels, [4, 4, 6, 7]);
  assert.equal(labelled.context, undefined);
});

Deno.test("sampleOf() has one context and any number of videos", () => {
  const sample = sampleOf(part(2, 1, { context: new Float32Array(2 * FRAME) }), 8);
  assert.equal(sample.count, 8);
  assert.equal(sample.context!.length, FRAME);
  assert.equal(sample.noise, undefined);
});

Deno.test("largestBatch() halves until it fits, and never goes below one", () => {
  assert.equal(largestBatch(8, () => true), 8);
  assert.equal(largestBatch(8, (videos) => videos <= 3), 2);
  assert.equal(largestBatch(7, (videos) => videos <= 3), 3);
  assert.equal(largestBatch(8, () => false), 1);
});
