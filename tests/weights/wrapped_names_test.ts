import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { createOutput } from "../../media/output_file.ts";
import { openWeights } from "../../weights/open_weights.ts";
import { MemorySource } from "../../files/byte_source.ts";
import { Checkpoint } from "../../weights/checkpoint.ts";
import { PthFile } from "../../weights/pth.ts";
import { SafetensorsFile, writeSafetensors } from "../../weights/safetensors.ts";
import type { TensorFile } from "../../weights/tensor_file.ts";
import { unwrappedNames } from "../../weights/wrapped_names.ts";
import { bytes, dict, pickle, pth, tensor, text } from "./torch_bytes.ts";

// Names as the frameworks write them, for a model with `a.weight` and `b.0.bias`.
const WRAPPED: [framework: string, names: string[], own: string[], wrappers: string[]][] = [
  ["nothing", ["a.weight", "b.0.bias"], ["a.weight", "b.0.bias"], []],
  [
    "DistributedDataParallel",
    ["module.a.weight", "module.b.0.bias"],
    ["a.weight", "b.0.bias"],
    ["module."],
  ],
  ["torch.compile", ["_orig_mod.a.weight"], ["a.weight"], ["_orig_mod."]],
  ["compiled, then parallel", ["module._orig_mod.a"], ["a"], ["module.", "_orig_mod."]],
  ["parallel, then compiled", ["_orig_mod.module.a"], ["a"], ["module.", "_orig_mod."]],
  ["compiled blocks", ["a.weight", "b._orig_mod.0.bias"], ["a.weight", "b.0.bias"], ["_orig_mod."]],
  [
    "FSDP",
    ["_fsdp_wrapped_module.a", "_fsdp_wrapped_module.b._fsdp_wrapped_module.0.bias"],
    ["a", "b.0.bias"],
    ["_fsdp_wrapped_module."],
  ],
  [
    "activation checkpoints",
    ["a", "b._checkpoint_wrapped_module.0.bias"],
    ["a", "b.0.bias"],
    ["_checkpoint_wrapped_module."],
  ],
  ["Lightning", ["model.a", "model.b.0.bias"], ["a", "b.0.bias"], ["model."]],
  ["Lightning, compiled", ["model._orig_mod.a"], ["a"], ["model.", "_orig_mod."]],
  ["PEFT, merged", ["base_model.model.a"], ["a"], ["base_model.", "model."]],
  ["LDM and ComfyUI", ["model.diffusion_model.a"], ["a"], ["model.", "diffusion_model."]],
  ["Opacus", ["_module.a"], ["a"], ["_module."]],
  ["a distilled student", ["student.module.a"], ["a"], ["student.", "module."]],
  ["a pipeline's part", ["transformer.a", "transformer.b"], ["a", "b"], ["transformer."]],
  ["one part among others", ["transformer.a", "vae.b"], ["transformer.a", "vae.b"], []],
  ["names that only begin alike", ["transformer_blocks.0.a"], ["transformer_blocks.0.a"], []],
  ["Fabric", ["_forward_module.model.a"], ["a"], ["_forward_module.", "model."]],
  ["DataParallel twice", ["module.module.a"], ["a"], ["module.", "module."]],
  ["AveragedModel", ["n_averaged", "module.a"], ["a"], ["module."]],
  [
    "ema-pytorch",
    ["initted", "step", "online_model.a", "ema_model.a"],
    ["a"],
    ["ema_model."],
  ],
  ["a part called model", ["model.a", "head.b"], ["model.a", "head.b"], []],
  ["two names that would become one", ["a._orig_mod.b", "a.b"], ["a._orig_mod.b", "a.b"], []],
  ["a name that is a wrapper's", ["module.", "module.a"], ["module.", "module.a"], []],
];

/** Tensors of two floats in each kind of file; `wanted` is what the last name holds. */
const CONTAINERS: [kind: string, make: (names: string[]) => Promise<TensorFile>][] = [
  ["safetensors", async (names) => {
    const parts: Uint8Array[] = [];
    const sink = { write: (piece: Uint8Array) => Promise.resolve(void parts.push(piece.slice())) };
    const entries = names.map((name) => ({
      name,
      dtype: "F32" as const,
      shape: [2],
      data: new Uint8Array(8),
    }));
    await writeSafetensors(sink, entries);
    return await SafetensorsFile.from(new MemorySource(bytes(...parts)));
  }],
  ["pth", (names) => {
    const entries = names.flatMap((name) => [text(name), tensor({ key: "0" })]);
    return PthFile.from(new MemorySource(pth(pickle(dict(...entries)))));
  }],
];

for (const [framework, names, own, wrappers] of WRAPPED) {
  Deno.test(`unwrappedNames() reads the names of ${framework}`, () => {
    const found = unwrappedNames(names);
    deepEqual([...found.names.values()], own);
    deepEqual(found.wrappers, wrappers);
  });
  for (const [kind, make] of CONTAINERS) {
    Deno.test(`Checkpoint reads a ${kind} of ${framework} by the model's own names`, async () => {
      const checkpoint = Checkpoint.from(await make(names));
      deepEqual(checkpoint.names.toSorted(), own.toSorted());
      for (const name of own) {
        const info = checkpoint.expect(name, [2]);
        equal(info.name, name);
        equal((await checkpoint.read(info)).length, 8);
      }
      checkpoint.finish();
    });
  }
}

Deno.test("unwrappedNames() takes the trained copy of ema-pytorch when asked", () => {
  const { names } = unwrappedNames(["step", "online_model.a", "ema_model.b"], false);
  deepEqual([...names], [["online_model.a", "a"]]);
});

Deno.test("openWeights() takes the copy of ema-pytorch that is asked for, sharded or not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const values = { "ema_model.a": 1, "online_model.a": 2, "initted": 3 };
    const tensors = Object.entries(values).map(([name, value]) => ({
      name,
      dtype: "F32" as const,
      shape: [1],
      data: new Uint8Array(Float32Array.of(value).buffer),
    }));
    const file = await createOutput(join(folder, "a.safetensors"));
    await writeSafetensors(file, tensors);
    await file.commit();
    const map = Object.fromEntries(tensors.map(({ name }) => [name, "a.safetensors"]));
    const index = join(folder, "a.safetensors.index.json");
    await Deno.writeTextFile(index, JSON.stringify({ metadata: {}, weight_map: map }));
    for (const path of [join(folder, "a.safetensors"), index]) {
      for (const [ema, expected] of [[undefined, 1], [true, 1], [false, 2]] as const) {
        const { checkpoint } = await openWeights(path, { ema });
        deepEqual(checkpoint.names, ["a"]);
        const bytes = await checkpoint.read(checkpoint.expect("a", [1]));
        equal(new Float32Array(bytes.slice().buffer)[0], expected, `${path} ${ema}`);
        checkpoint.close();
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
