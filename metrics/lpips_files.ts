import { extname, join } from "node:path";
import { CheckpointError, quote, shapeText } from "../files/errors.ts";
import { isFolder } from "../files/file_source.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { toFloats } from "../weights/floats.ts";
import { openWeights } from "../weights/open_weights.ts";
import { type Backbone, type Convolution, type LpipsNetwork, STAGES } from "./lpips.ts";

const EXTENSIONS = [".pth", ".pt", ".bin", ".safetensors"];
const BACKBONES = Object.keys(STAGES) as Backbone[];
/** As they are called outside. */
const NAMES: Readonly<Record<Backbone, string>> = { alex: "AlexNet", vgg: "VGG16" };
/** torchvision's names, and those in a state dict of lpips itself. */
const LAYER = /^(?:features|net\.slice\d|slice\d)\.(\d+)\.weight$/;
const HEAD = /^lin(\d)\.model\.[01]\.weight$/;

/** What one file holds. */
interface Part<T> {
  readonly file: string;
  readonly backbone: Backbone;
  readonly values: T;
}
type Weights = LpipsNetwork["weights"];
type Heads = LpipsNetwork["heads"];

/**
 * Reads the networks of LPIPS: AlexNet or VGG16 as torchvision saves it, and the weights of its
 * channels as the package lpips has them (`lpips/weights/v0.1/alex.pth`).
 * @param paths files, or folders with them; of several weights those that fit the backbone are taken
 * @throws {CheckpointError} a file that is neither, or a part that is missing or there twice
 */
export async function openLpips(paths: readonly string[]): Promise<LpipsNetwork> {
  const backbones: Part<Weights>[] = [];
  const heads: Part<Heads>[] = [];
  for (const { file, named } of await filesOf(paths)) {
    using checkpoint = (await openWeights(file)).checkpoint;
    const backbone = await readBackbone(checkpoint, file);
    const own = await readHeads(checkpoint, file);
    if (backbone) backbones.push(backbone);
    if (own) heads.push(own);
    if (backbone || own || !named) continue;
    throw unusable(file, "it holds neither AlexNet nor VGG16, nor the weights of their channels");
  }
  const where = paths.join(", ");
  const { backbone, values: weights } = only(
    backbones,
    where,
    "AlexNet or VGG16 as torchvision saves it",
  );
  const fitting = heads.filter((part) => part.backbone === backbone);
  const what = `the weights for ${NAMES[backbone]} of the package lpips`;
  return { backbone, weights, heads: only(fitting, where, what).values };
}

async function filesOf(
  paths: readonly string[],
): Promise<{ readonly file: string; readonly named: boolean }[]> {
  const found = await Promise.all(paths.map(async (path) => {
    if (!await isFolder(path)) return [{ file: path, named: true }];
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
    return names.filter((name) => EXTENSIONS.includes(extname(name).toLowerCase()))
      .map((name) => ({ file: join(path, name), named: false }));
  }));
  return found.flat();
}

function only<T>(parts: readonly Part<T>[], where: string, what: string): Part<T> {
  const [first, second] = parts;
  if (!first) throw unusable(where, `give ${what} too`);
  if (!second) return first;
  throw unusable(where, `both ${quote(first.file)} and ${quote(second.file)} hold ${what}`);
}

function unusable(path: string, why: string): CheckpointError {
  return new CheckpointError(`Cannot measure LPIPS by ${quote(path)}: ${why}`, {
    file: path,
    reason: "NamesAndShapes",
  });
}

async function readBackbone(
  checkpoint: Checkpoint,
  file: string,
): Promise<Part<Weights> | undefined> {
  const names = new Map(checkpoint.names.flatMap((name) => {
    const index = LAYER.exec(name)?.[1];
    return index === undefined ? [] : [[Number(index), name] as const];
  }));
  const first = names.get(0);
  if (first === undefined) return undefined;
  const shape = checkpoint.info(first)!.shape.join();
  const backbone = BACKBONES.find((kind) => shapeOf(layersOf(kind)[0]!).join() === shape);
  if (!backbone) return undefined;
  const values = new Map<number, { weight: Float32Array; bias: Float32Array }>();
  for (const layer of layersOf(backbone)) {
    const name = names.get(layer.index) ?? `features.${layer.index}.weight`;
    const bias = name.replace(/weight$/, "bias");
    const weight = await read(checkpoint, name, shapeOf(layer), file);
    values.set(layer.index, {
      weight: channelsLast(weight, layer),
      bias: await read(checkpoint, bias, [layer.outputs], file),
    });
  }
  return { file, backbone, values };
}

async function readHeads(checkpoint: Checkpoint, file: string): Promise<Part<Heads> | undefined> {
  const names = checkpoint.names.filter((name) => HEAD.test(name)).sort();
  if (names.length === 0) return undefined;
  const shapes = names.map((name) => checkpoint.info(name)!.shape);
  const backbone = BACKBONES.find((kind) => {
    const channels = STAGES[kind].map(({ convolutions }) => convolutions.at(-1)!.outputs);
    return shapes.map((shape) => shape.join()).join(" ") ===
      channels.map((count) => `1,${count},1,1`).join(" ");
  });
  if (!backbone) return undefined; // of another network, such as SqueezeNet
  const values = await Promise.all(
    names.map((name, i) => read(checkpoint, name, shapes[i]!, file)),
  );
  return { file, backbone, values };
}

function layersOf(backbone: Backbone): Convolution[] {
  return STAGES[backbone].flatMap(({ convolutions }) => convolutions);
}

function shapeOf({ outputs, inputs, size }: Convolution): number[] {
  return [outputs, inputs, size, size];
}

async function read(
  checkpoint: Checkpoint,
  name: string,
  shape: readonly number[],
  file: string,
): Promise<Float32Array> {
  const info = checkpoint.info(name);
  if (!info) throw unusable(file, `${quote(name)} is missing`);
  if (info.shape.join() !== shape.join()) {
    throw unusable(file, `${quote(name)} is ${shapeText(info.shape)}, not ${shapeText(shape)}`);
  }
  return toFloats(await checkpoint.read(name), info.dtype, name);
}

/** [outputs, inputs, size, size] as [outputs, size, size, inputs]. */
function channelsLast(weight: Float32Array, { inputs, size }: Convolution): Float32Array {
  const taps = size * size;
  const kernel = inputs * taps;
  return weight.map((_, i) => {
    const [place, within] = [Math.floor(i / kernel) * kernel, i % kernel];
    return weight[place + (within % inputs) * taps + Math.floor(within / inputs)]!;
  });
}
