import { deepEqual, equal, rejects } from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Shapes, transformerShapes } from "../../released/architecture.ts";
import { pullPreset, type PullPresetOptions } from "../../released/pull.ts";
import {
  architectureConfig,
  HUB_REPOSITORY,
  type Preset,
  PRESETS,
} from "../../released/presets.ts";
import { FakeHub, sha256 } from "../support/fake_hub.ts";
import { dict, pickle, pth, tensor, text } from "../weights/torch_bytes.ts";

async function withHub(
  use: (hub: FakeHub, options: PullPresetOptions) => Promise<void>,
): Promise<void> {
  const hub = await FakeHub.start(HUB_REPOSITORY);
  try {
    await use(hub, { settings: hub.settings, tools: hub.tools });
  } finally {
    await hub.stop();
  }
}

Deno.test("pullPreset() uses a model that is converted already, without the hub", async () => {
  await withHub(async (hub, options) => {
    const preset = PRESETS[0]!;
    const path = join(hub.settings.models, preset.name);
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(join(path, "model_index.json"), "{}");
    deepEqual(await pullPreset(preset, options), { path, report: undefined });
    equal(hub.seen.length, 0);
  });
});

Deno.test("pullPreset() says what the hub lacks", async () => {
  await withHub(async (hub, options) => {
    hub.large.set("something", new Uint8Array(1));
    await rejects(pullPreset(PRESETS[1]!, options), { reason: "Hub", message: /no such/ });
  });
});

Deno.test("pullPreset() fetches and checks both checkpoints, then converts them", async () => {
  await withHub(async (hub, options) => {
    const config = { num_layers: 1, num_attention_heads: 1 };
    const weights = zeros(transformerShapes({ ...architectureConfig("FAR_B"), ...config }));
    const put = (name: string) => {
      const file = `${name}-${sha256(weights).slice(0, 8)}.pth`;
      hub.large.set(file, weights);
      return file;
    };
    // An autoencoder of a preset has 128 million numbers, too many for a test: this is none.
    const files = { transformerFile: put("far/A"), vaeFile: put("dcae/B") };
    const preset: Preset = { ...PRESETS[4]!, config, ...files };
    const told: string[] = [];
    const listening = {
      ...options,
      onFetched: () => Promise.resolve(void told.push("fetched")),
      onNote: (note: string) => told.push(note.split(" ")[0]!),
    };
    await rejects(pullPreset(preset, listening), {
      reason: "NamesAndShapes",
      message: /dcae.B-.*missing.*its weights look like FAR/,
    });
    deepEqual(told, ["fetched", "converting"]);
    deepEqual(await readdir(hub.settings.models), []);
  });
});

/** A checkpoint of PyTorch in which every number is 0. */
function zeros(shapes: Shapes): Uint8Array {
  const storages: Record<string, Uint8Array> = {};
  const items = [...shapes].flatMap(([name, shape], i) => {
    const elements = shape.reduce((a, b) => a * b, 1);
    storages[i] = new Uint8Array(4 * elements);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    return [text(name), tensor({ key: String(i), elements, shape: [...shape], strides })];
  });
  return pth(pickle(dict(...items)), storages);
}
