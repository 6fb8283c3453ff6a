import assert from "node:assert/strict";
import { join } from "node:path";
import {
  checkpointSteps,
  loadCheckpoint,
  newestCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "../../../train/folder/checkpoint.ts";
import { transformerShapes } from "../../../released/architecture.ts";
import { readJson } from "../../../files/read_json.ts";
import { TorchValues } from "../../../weights/torch_values.ts";
import { size } from "../../../gpu/memory.ts";
import { inFolder } from "../../support/folder.ts";

const GOLDENS = new URL("../../fixtures/goldens/train/far-action", import.meta.url).pathname;
const RELEASED = join(GOLDENS, "checkpoint-3");
const NUMBERS = {
  lr: 1e-3,
  nextLr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0.05,
} as const;

async function shapes() {
  return transformerShapes(await readJson(join(GOLDENS, "config.json")));
}

Deno.test("loadCheckpoint() reads what the released trainer saved", async () => {
  const { state, extras } = await loadCheckpoint(RELEASED, await shapes());
  assert.equal(extras, undefined);
  assert.equal(state.step, 3);
  assert.equal(state.expAvg.size, 47);
  assert.equal(state.ema!.size, 47);
  // torch.get_rng_state() and random.getstate() of the released run
  assert.equal(state.random.torch.index, 158);
  assert.equal(state.random.torch.cachedNormal, 0.7938032412956633);
  assert.equal(state.random.python.index, 624);
});

Deno.test("saveCheckpoint() writes what loadCheckpoint() reads, and what PyTorch reads", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { state } = await loadCheckpoint(RELEASED, await shapes());
    const path = await saveCheckpoint(folder, state, await shapes(), NUMBERS, { position: 7 });
    const again = await loadCheckpoint(path, await shapes());
    assert.deepEqual(again.state, state);
    assert.deepEqual(again.extras!.position, 7);
    // the same values under the same keys as in the file that torch.save wrote
    for (const name of ["optimizer.bin", "scheduler.bin"]) {
      using ours = await TorchValues.open(join(path, name));
      using theirs = await TorchValues.open(join(RELEASED, name));
      assert.deepEqual(plain(ours.value), plain(theirs.value), name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a checkpoint has a discriminator, as the released trainer's may", () =>
  inFolder(async (folder) => {
    const { state } = await loadCheckpoint(RELEASED, await shapes());
    const shape = { "main.2.weight": [2, 1, 4, 4], "main.3.weight": [2], "main.11.bias": [1] };
    const values = (add: number) =>
      new Map(
        Object.entries(shape).map(([name, shape]) => {
          const count = size(shape);
          return [name, Float32Array.from({ length: count }, (_, i) => i + add)];
        }),
      );
    const discriminator = {
      step: 2,
      shapes: new Map(Object.entries(shape)),
      parameters: values(0),
      expAvg: values(1),
      expAvgSq: values(2),
    };
    const whole = { ...state, discriminator };
    const path = await saveCheckpoint(folder, whole, await shapes(), NUMBERS, { position: 7 });
    assert.deepEqual((await loadCheckpoint(path, await shapes())).state, whole);
    const released = join(folder, "checkpoint-3");
    await Deno.rename(path, released);
    await Deno.remove(join(released, "train_state.json"));
    assert.deepEqual((await loadCheckpoint(released, await shapes())).state, whole);
    await Deno.remove(join(released, "model_1.safetensors"));
    assert.deepEqual((await loadCheckpoint(released, await shapes())).state, state);
  }));

/** Values without the keys of storages, which may be in another order. */
function plain(value: unknown): unknown {
  return JSON.stringify(value, (key, item) => {
    if (key === "storage") return item.elements;
    if (key === "ordered") return undefined;
    return item instanceof Map ? [...item] : item;
  });
}

Deno.test("pruneCheckpoints() keeps the newest; leftovers of a killed run are removed", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (
      const name of ["step-2", "step-10", "step-9", ".step-11.partial", ".step-1.gone.partial"]
    ) {
      await Deno.mkdir(join(folder, "checkpoints", name), { recursive: true });
    }
    assert.equal(await newestCheckpoint(folder), join(folder, "checkpoints", "step-10"));
    assert.equal((await Array.fromAsync(Deno.readDir(join(folder, "checkpoints")))).length, 5);
    assert.deepEqual(await checkpointSteps(folder), [2, 9, 10]);
    await pruneCheckpoints(folder, 2);
    const names = await Array.fromAsync(Deno.readDir(join(folder, "checkpoints")));
    assert.deepEqual(names.map(({ name }) => name).sort(), ["step-10", "step-9"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("loadCheckpoint() refuses checkpoints of another model and folders of other names", async () => {
  const config = await readJson(join(GOLDENS, "config.json"));
  const wider = transformerShapes({ ...config, num_attention_heads: 2 });
  await assert.rejects(loadCheckpoint(RELEASED, wider), /another model.*of another shape/);
  await assert.rejects(loadCheckpoint(GOLDENS, wider), /neither step-N nor checkpoint-N/);
});
