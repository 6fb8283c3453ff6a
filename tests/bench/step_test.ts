import assert from "node:assert/strict";
import { recordStep, type StepCase } from "../../bench/step.ts";
import { declareSynthetic } from "../../bench/synthetic_model.ts";
import { Memory } from "../../gpu/memory.ts";
import type { DeviceProfile } from "../../gpu/tuning.ts";
import type { ArchitectureName } from "../../released/presets.ts";

const CPU = { cpu: true };

/** A recorded model call of a released architecture, on paper. */
function record(
  architecture: ArchitectureName,
  frame: number,
  kind: StepCase["kind"],
  device: DeviceProfile = CPU,
) {
  const model = declareSynthetic({ architecture, device });
  return recordStep(model, new Memory(), device, { height: 8, width: 8 }, { frame, kind });
}

/** Products of 64 tokens' linear layers, and of their attention to `keys` keys. */
function flops(d: number, layers: number, keys: number): number {
  return 2 * 64 * (layers * 12 * d * d + 2 * 32 * d) + layers * 4 * 64 * d * keys;
}

for (const [name, d, layers] of [["FAR_B", 768, 12], ["FAR_XL", 1152, 28]] as const) {
  Deno.test(`recordStep() counts the products of a step of ${name}`, () => {
    const { work, passes } = record(name, 16, "later");
    assert.equal(work.flops, flops(d, layers, 17 * 64));
    assert.equal(work.passes, 1);
    assert.equal(work.dispatches, passes[0]!.program.dispatches);
    // every weight is read once: a step needs at least that
    const weights = 4 * (layers * 12 * d * d + 2 * 32 * d);
    const cache = 2 * 4 * layers * 17 * 64 * d;
    assert.ok(work.read > weights + cache && work.read < 1.1 * (weights + cache));
  });
}

Deno.test("recordStep() has at most 8 dispatches per block, on GPUs also with split keys", () => {
  for (const device of [CPU, { cpu: false, subgroupSize: 32 }]) {
    for (const frame of [2, 128]) {
      const { passes, work } = record("FAR_B", frame, "later", device);
      assert.ok(work.dispatches <= 8 * 12 + 6, `${work.dispatches} dispatches`);
      const { labels } = passes[0]!.program;
      assert.equal(labels.includes("merge_attention"), !device.cpu);
    }
  }
});

Deno.test("recordStep() takes the newest clean frame into a frame's first call", () => {
  const { passes, work } = record("FAR_B", 5, "first");
  assert.deepEqual(passes.map(({ plan }) => plan.frames), [[4, 5]]);
  assert.deepEqual(passes[0]!.plan.keys, [5 * 64, 6 * 64]);
  // of the last block the clean frame needs nothing but keys and values
  const [d, keys] = [768, 5 * 64 + 6 * 64];
  const eleven = 11 * (2 * 128 * 12 * d * d + 4 * 64 * d * keys);
  const last = 2 * (128 * 3 + 64 * 9) * d * d + 4 * 64 * d * 6 * 64;
  assert.equal(work.flops, eleven + last + 2 * (128 + 64) * 32 * d);
});

Deno.test("recordStep() encodes FAR_Long's window again, and what left it", () => {
  const { passes, work } = record("FAR_B_Long", 40, "first");
  const kinds = passes.map(({ plan }) => [plan.kind, plan.frames.length]);
  assert.deepEqual(kinds, [["context", 1], ["window", 16]]);
  assert.equal(work.passes, 2);
  const attentions = passes.map(({ program }) =>
    program.labels.filter((l) => /attention_/.test(l))
  );
  assert.deepEqual(attentions.map(({ length }) => length), [11, 12]);
  // the noisy frame sees 25 frames of 4 tokens and 16 of 64
  assert.equal(passes[1]!.plan.keys.at(-1), 25 * 4 + 16 * 64);
});

Deno.test("recordStep() denoises the first frame of all with nothing before it", () => {
  const { passes } = record("FAR_B", 0, "first");
  assert.deepEqual(passes.map(({ plan }) => plan.frames), [[0]]);
});
