import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join, relative } from "node:path";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { openCheckpoint } from "../../weights/open_checkpoint.ts";
import { addLora, addProduct } from "../../weights/lora.ts";
import { LoraFile, loraFiles } from "../../weights/lora_file.ts";
import { type AdapterTensors, writeAdapters } from "../support/adapters.ts";

// peft 0.14.0 made these from one small model: `merged` is what its merge_and_unload() gives;
// `diffusers` has the tensors of `peft` as LoraBaseMixin.pack_weights() of diffusers 0.32.2 names them
const FIXTURES = `${import.meta.dirname}/../fixtures/weights/lora`;

async function floats(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  return new Float32Array((await checkpoint.read(name)).slice().buffer);
}

const CASES = [
  { layout: "peft", lora: "peft", merged: "peft" },
  { layout: "peft's file alone", lora: "peft/adapter_model.safetensors", merged: "peft" },
  { layout: "peft with alpha, alpha_pattern, rslora", lora: "peft_alpha", merged: "peft_alpha" },
  { layout: "diffusers", lora: "diffusers", merged: "peft" },
];
for (const { layout, lora: path, merged } of CASES) {
  Deno.test(`addLora() equals peft's merged weights, from a file of ${layout}`, async () => {
    const base = await openCheckpoint(`${FIXTURES}/base.safetensors`);
    const expected = await openCheckpoint(`${FIXTURES}/${merged}/merged.safetensors`);
    const lora = await LoraFile.open(`${FIXTURES}/${path}`);
    const adapted = addLora(base, lora);
    deepEqual(adapted.names, base.names);
    for (const name of base.names) {
      const [ours, before] = [await floats(adapted, name), await floats(base, name)];
      if (!expected.has(name)) {
        deepEqual(ours, before);
        continue;
      }
      const theirs = await floats(expected, name);
      ok(theirs.some((value, i) => value !== before[i]));
      // values up to 2: one rounding here, several there
      ok(ours.every((value, i) => Math.abs(value - theirs[i]!) <= 3e-7), name);
    }
    for (const file of [adapted, expected]) file.close();
  });
}

Deno.test("addLora() scales what it adds", async () => {
  const base = await openCheckpoint(`${FIXTURES}/base.safetensors`);
  const lora = await LoraFile.open(`${FIXTURES}/peft`);
  const name = "transformer_blocks.1.mlp.weight";
  const before = await floats(base, name);
  deepEqual(await floats(addLora(base, lora, 0), name), before);
  const [whole, half] = [
    await floats(addLora(base, lora), name),
    await floats(addLora(base, lora, 0.5), name),
  ];
  ok(half.every((v, i) => Math.abs(2 * (v - before[i]!) - (whole[i]! - before[i]!)) < 5e-7));
  for (const file of [lora, base]) file.close();
});

Deno.test("addLora() reads ranges of a weight equal to the whole", async () => {
  const base = await openCheckpoint(`${FIXTURES}/base.safetensors`);
  const lora = await LoraFile.open(`${FIXTURES}/peft`);
  const adapted = addLora(base, lora);
  const name = "transformer_blocks.0.mlp.weight"; // [20, 12]
  const whole = await adapted.read(name);
  for (const [first, count] of [[0, 1], [5, 7], [11, 2], [12, 12], [30, 100], [239, 1]]) {
    const part = await adapted.readRange(name, 4 * first!, 4 * count!);
    deepEqual([...part], [...whole.subarray(4 * first!, 4 * (first! + count!))]);
  }
  for (const file of [lora, base]) file.close();
});

const LAYER = "transformer_blocks.0.attn.to_q";

Deno.test("LoraFile reads every way to name and to scale a pair", async () => {
  const folder = await Deno.makeTempDir();
  const alpha = JSON.stringify({ "transformer.lora_alpha": 3, "transformer.r": 2 });
  const cases: [string, string, string | undefined, Record<string, string>, number][] = [
    [`base_model.model.${LAYER}.lora_A.weight`, "lora_B.weight", undefined, {}, 1],
    [`transformer.${LAYER}.lora_A.default.weight`, "lora_B.default.weight", undefined, {}, 1],
    [`transformer.${LAYER}.lora.down.weight`, "lora.up.weight", undefined, {}, 1],
    [
      `diffusion_model.${LAYER}.lora_down.weight`,
      "lora_up.weight",
      "alpha",
      {},
      Math.fround(0.1 * Math.sin(1)) / 2,
    ],
    [`${LAYER}.lora_A.weight`, "lora_B.weight", undefined, { lora_adapter_metadata: alpha }, 1.5],
  ];
  for (const [a, b, scale, metadata, expected] of cases) {
    const stem = a.slice(0, a.indexOf(LAYER) + LAYER.length + 1);
    const path = await writeAdapters(join(folder, `${stem.length}.safetensors`), [
      [a, [2, 12]],
      [stem + b, [12, 2]],
      ...scale ? [[stem + scale, []] as const] : [],
    ], metadata);
    const lora = await LoraFile.open(path);
    equal([...lora.adapters.keys()].join(), LAYER, a);
    equal(lora.adapters.get(LAYER)!.scale, expected, a);
    lora.close();
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a LoRA that cannot be used gets one line", async () => {
  const folder = await Deno.makeTempDir();
  const [a, b] = [`${LAYER}.lora_A.weight`, `${LAYER}.lora_B.weight`];
  const base = await openCheckpoint(`${FIXTURES}/base.safetensors`);
  const use = async (path: string) => {
    const lora = await LoraFile.open(path);
    try {
      addLora(base, lora);
    } finally {
      lora.close();
    }
  };
  const cases: [tensors: AdapterTensors, metadata: Record<string, string>, why: RegExp][] = [
    [[["latents", [2, 3]]], {}, /as a LoRA: it has no pairs of lora_A and lora_B$/],
    [[[a, [2, 12]]], {}, /"transformer_blocks.0.attn.to_q" has no lora_B$/],
    [[[b, [12, 2]]], {}, /"transformer_blocks.0.attn.to_q" has no lora_A$/],
    [[[a, [2, 12]], [b, [12, 3]]], {}, /has \[2, 12\] and \[12, 3\], not \[rank, inputs\]/],
    [[[a, [2, 12, 1, 1]], [b, [12, 2]]], {}, /not \[rank, inputs\] and \[outputs, rank\]$/],
    [
      [[a, [2, 16]], [b, [16, 2]]],
      {},
      /B \[16, 2\] times A \[2, 16\], but .* weight is \[12, 12\]$/,
    ],
    [[[a, [2, 12]], [b, [12, 2]], [`transformer.${a}`, [2, 12]]], {}, /it has "tr.*to_q" twice$/],
    [
      [["unet.down.0.lora_A.weight", [2, 12]], ["unet.down.0.lora_B.weight", [12, 2]]],
      {},
      /^Cannot use ".*" with ".*base.safetensors": 1 of its 1 layers are not .*: "unet.down.0"$/,
    ],
    [
      [[a, [2, 12]], [b, [12, 2]], [`${LAYER}.lora_B.bias`, [12]]],
      {},
      /more than low-rank pairs, which is not supported: "transformer_blocks.*lora_B.bias"$/,
    ],
    [[[a, [2, 12]], [b, [12, 2]]], { lora_adapter_metadata: "[1" }, /metadata is not a JSON obj/],
  ];
  for (const [tensors, metadata, message] of cases) {
    const path = await writeAdapters(join(folder, "lora.safetensors"), tensors, metadata);
    await rejects(use(path), {
      name: "CheckpointError",
      message,
    });
  }
  await rejects(use(`${FIXTURES}/dora`), { message: /lora_magnitude_vector/ });
  await rejects(use(folder), { message: /it holds no pytorch_lora_weights.safetensors and no/ });
  await rejects(use(join(folder, "none.safetensors")), { name: "CheckpointError" });
  base.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("loraFiles() names the files that decide the adapters", async () => {
  const names = async (path: string) =>
    (await loraFiles(`${FIXTURES}/${path}`)).map((file) => relative(FIXTURES, file));
  deepEqual(await names("peft"), ["peft/adapter_model.safetensors", "peft/adapter_config.json"]);
  deepEqual(await names("diffusers"), ["diffusers/pytorch_lora_weights.safetensors"]);
});

Deno.test("addProduct() sums in float64 and rounds once", () => {
  const rank = 3;
  const a = Float32Array.from({ length: rank * 5 }, (_, i) => Math.sin(i));
  const b = Float32Array.from({ length: 4 * rank }, (_, i) => Math.cos(i));
  const weights = Float32Array.from({ length: 20 }, (_, i) => i / 7);
  const expected = weights.map((value, i) => {
    const [row, column] = [Math.floor(i / 5), i % 5];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += 0.75 * b[row * rank + r]! * a[r * 5 + column]!;
    return value + sum;
  });
  addProduct(weights, 0, { a, b, rank, scale: 0.75 });
  deepEqual(weights, expected);
});
