import assert from "node:assert/strict";
import { join } from "node:path";
import { AtomicFile } from "../../files/atomic_file.ts";
import { bytesOf } from "../../files/bytes.ts";
import { type Backbone, STAGES } from "../../metrics/lpips.ts";
import { openLpips } from "../../metrics/lpips_files.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";
import { type SavedValue, writeTorch } from "../../weights/torch_writer.ts";
import { inFolder } from "../support/folder.ts";

type Tensors = Map<string, { shape: readonly number[]; data: Float32Array }>;

/** Tensors whose values are their own indices. */
function counting(shape: readonly number[]) {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
  return { shape, data };
}

function backboneTensors(backbone: Backbone, prefix = "features"): Tensors {
  const layers = STAGES[backbone].flatMap(({ convolutions }) => convolutions);
  return new Map(layers.flatMap(({ index, inputs, outputs, size }) => [
    [`${prefix}.${index}.weight`, counting([outputs, inputs, size, size])],
    [`${prefix}.${index}.bias`, counting([outputs])],
  ]));
}

function headTensors(channels: readonly number[], model = 1): Tensors {
  return new Map(
    channels.map((count, i) => [`lin${i}.model.${model}.weight`, counting([1, count, 1, 1])]),
  );
}

const ALEX = [64, 192, 384, 256, 256];
const SQUEEZE = [64, 128, 256, 384, 384, 512, 512];

async function write(path: string, tensors: Tensors): Promise<string> {
  await using sink = await AtomicFile.create(path);
  if (path.endsWith(".safetensors")) {
    const entries = [...tensors].map(([name, { shape, data }]) => ({
      ...{ name, dtype: "F32" as const, shape, data: bytesOf(data) },
    }));
    await writeSafetensors(sink, entries, {});
  } else {
    const saved = [...tensors].map(([name, { shape, data }]): [string, SavedValue] => [
      name,
      { tensor: { dtype: "F32", shape, data: bytesOf(data) } },
    ]);
    await writeTorch(sink, "weights", new Map(saved));
  }
  await sink.commit();
  return path;
}

Deno.test("openLpips() reads a backbone and the weights that fit it", () =>
  inFolder(async (folder) => {
    const backbone = await write(join(folder, "alexnet.pth"), backboneTensors("alex"));
    const own = join(folder, "weights");
    await Deno.mkdir(own);
    await write(join(own, "alex.pth"), headTensors(ALEX));
    await write(join(own, "squeeze.pth"), headTensors(SQUEEZE));
    await write(join(own, "vgg.safetensors"), headTensors([64, 128, 256, 512, 512]));
    await Deno.writeTextFile(join(own, "README.txt"), "no weights");
    const network = await openLpips([backbone, own]);
    assert.equal(network.backbone, "alex");
    assert.deepEqual(network.heads.map(({ length }) => length), ALEX);
    const { weight, bias } = network.weights.get(3)!;
    assert.deepEqual([...bias.slice(0, 3)], [0, 1, 2]);
    // [outputs, size, size, inputs] of [192, 64, 5, 5]: the next input is 25 values on
    assert.deepEqual([...weight.slice(0, 3)], [0, 25, 50]);
    assert.equal(weight[64], 1);
    assert.equal(weight[25 * 64], 25 * 64);
    assert.equal([...network.weights.keys()].join(), "0,3,6,8,10");
  }));

Deno.test("openLpips() refuses what does not make a network, in one line", () =>
  inFolder(async (folder) => {
    const at = (name: string, tensors: Tensors) => write(join(folder, name), tensors);
    const alex = await at("alexnet.safetensors", backboneTensors("alex"));
    const twin = await at("twin.safetensors", backboneTensors("alex"));
    const heads = await at("alex.pth", headTensors(ALEX));
    const squeeze = await at("squeeze.pth", headTensors(SQUEEZE));
    const other = await at("other.pth", new Map([["x.weight", counting([3])]]));
    const lacking = backboneTensors("alex");
    lacking.delete("features.8.bias");
    const cut = await at("cut.safetensors", lacking);
    const wrong = backboneTensors("alex").set("features.6.weight", counting([4, 4]));
    const misshaped = await at("wrong.safetensors", wrong);
    const noise = join(folder, "noise.pth");
    await Deno.writeTextFile(noise, "not weights at all");
    const empty = join(folder, "empty");
    await Deno.mkdir(empty);
    const cases: [string[], RegExp][] = [
      [[alex], /give the weights for AlexNet of the package lpips too/],
      [[heads], /give AlexNet or VGG16 as torchvision saves it too/],
      [[empty], /give AlexNet or VGG16 as torchvision saves it too/],
      [[alex, twin, heads], /both ".*alexnet.safetensors" and ".*twin.safetensors" hold AlexNet/],
      [[alex, squeeze], /squeeze.pth": it holds neither/],
      [[alex, heads, other], /other.pth": it holds neither/],
      [[cut, heads], /"features.8.bias" is missing/],
      [[misshaped, heads], /"features.6.weight" is .*4.*4.*, not .*384/],
      [[noise, heads], /noise.pth/],
      [[join(folder, "none.pth"), heads], /none.pth/],
    ];
    for (const [paths, message] of cases) {
      await assert.rejects(openLpips(paths), (error: Error) => {
        assert.equal(error.name, "CheckpointError");
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    }
  }));
