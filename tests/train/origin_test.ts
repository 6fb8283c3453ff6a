import assert from "node:assert/strict";
import { farOf, type Origin } from "../../train/origin.ts";

const ORIGIN = {
  far: {
    fps: 8,
    defaults: { context: "clips/0.npz", steps: 4, guidance: 2, solver: "ab2", size: "64x64" },
  },
  names: ["stay"],
  sizes: { condition: { kind: "action", count: 1 } },
  dataFacts: {},
} as unknown as Origin;
const OPTIONS = { clips: ["clips"], output: "run", model: "demo", steps: 10 };

Deno.test("farOf() keeps how a model is sampled, unless it is distilled", () => {
  const trained = farOf(ORIGIN, OPTIONS, undefined).defaults;
  assert.deepEqual(trained, { steps: 4, guidance: 2, solver: "ab2", size: "64x64" });
  const distilled = farOf(ORIGIN, { ...OPTIONS, distill: { steps: 2 } }, undefined).defaults;
  assert.deepEqual(distilled, { steps: 2, guidance: 1, size: "64x64" });
});
