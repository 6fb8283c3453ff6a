/** Low-rank adapters (LoRA) as peft and diffusers save them. */
import { basename, dirname, join } from "node:path";
import { isFile, isFolder } from "../files/file_source.ts";
import { CheckpointError, quote, quoteSome, shapeText } from "../files/errors.ts";
import { isObject, type JsonObject, parseJson } from "../files/json.ts";
import { readJson } from "../files/read_json.ts";
import { readFloats, SafetensorsFile } from "./safetensors.ts";
import type { TensorInfo } from "./tensor_file.ts";

/** File name under which diffusers saves and looks for adapters. */
export const DIFFUSERS_LORA = "pytorch_lora_weights.safetensors";
/** The same for peft, and its file with the scale of the adapters. */
const PEFT_LORA = "adapter_model.safetensors";
const PEFT_CONFIG = "adapter_config.json";
/** Metadata key under which diffusers stores what peft has in its own file. */
export const LORA_METADATA = "lora_adapter_metadata";

/** A layer's adapter: scale B A is added to its weight. */
export interface Adapter {
  /** [rank, inputs] */
  readonly a: TensorInfo;
  /** [outputs, rank] */
  readonly b: TensorInfo;
  readonly rank: number;
  /** alpha / rank */
  readonly scale: number;
}

/** Ends of tensor names: peft's and diffusers' form, their older one, kohya's. */
const FORMS = [
  { kind: "a", ending: /\.lora_A(\.[^.]+)?\.weight$/ },
  { kind: "b", ending: /\.lora_B(\.[^.]+)?\.weight$/ },
  { kind: "a", ending: /\.lora[._]down\.weight$/ },
  { kind: "b", ending: /\.lora[._]up\.weight$/ },
  { kind: "alpha", ending: /\.alpha$/ },
] as const;

/** Prefixes of layer names. */
const PREFIXES = ["base_model.model.", "diffusion_model.", "transformer.", "module."];

type Parts = { -readonly [K in (typeof FORMS)[number]["kind"]]?: TensorInfo };

/** A file of adapters; their values are read on demand. */
export class LoraFile {
  readonly path: string;
  /** Adapters by the name of the layer, without prefixes: `transformer_blocks.0.attn.to_q`. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  readonly #file: SafetensorsFile;
  /** The layer read last: rows of a layer are read one after the other. */
  #last: { adapter: Adapter; values: { a: Float32Array; b: Float32Array } } | undefined;

  private constructor(file: SafetensorsFile, adapters: ReadonlyMap<string, Adapter>) {
    this.path = file.path;
    this.#file = file;
    this.adapters = adapters;
  }

  /**
   * Opens a .safetensors, or a folder with one under peft's or diffusers' name.
   * @throws {CheckpointError} no such file, or it contains something other than low-rank pairs
   */
  static async open(path: string): Promise<LoraFile> {
    const [weights, config] = await loraFiles(path);
    using opened = new DisposableStack();
    const file = opened.use(await SafetensorsFile.open(weights!));
    const settings = config === undefined ? configInside(file) : await readJson(config);
    const adapters = await readAdapters(file, settings);
    opened.move();
    return new LoraFile(file, adapters);
  }

  /** Values of an adapter. @throws {CheckpointError} */
  async read(adapter: Adapter): Promise<{ a: Float32Array; b: Float32Array }> {
    if (this.#last?.adapter !== adapter) {
      const a = await readFloats(this.#file, adapter.a.name);
      const b = await readFloats(this.#file, adapter.b.name);
      this.#last = { adapter, values: { a, b } };
    }
    return this.#last.values;
  }

  close(): void {
    this.#file.close();
  }

  /** The same, where a scope ends. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The files of adapters at a path: the weights, and peft's configuration if there is one.
 * @throws {CheckpointError} a folder without adapters
 */
export async function loraFiles(path: string): Promise<string[]> {
  let file = path;
  if (await isFolder(path)) {
    const candidates = [DIFFUSERS_LORA, PEFT_LORA].map((name) => join(path, name));
    const there = await Promise.all(candidates.map(isFile));
    const found = candidates.find((_, i) => there[i]);
    if (!found) {
      const why = `it holds no ${DIFFUSERS_LORA} and no ${PEFT_LORA}`;
      throw new CheckpointError(`Cannot find adapters in ${quote(path)}: ${why}`, {
        file: path,
        reason: "NotFound",
      });
    }
    file = found;
  }
  const config = join(dirname(file), PEFT_CONFIG);
  return basename(file) === PEFT_LORA && await isFile(config) ? [file, config] : [file];
}

function configInside({ metadata, path }: SafetensorsFile): JsonObject {
  const text = metadata.get(LORA_METADATA);
  if (text === undefined) return {};
  try {
    const value = parseJson(new TextEncoder().encode(text));
    if (isObject(value)) return withoutPrefix(value);
  } catch {
    // reported below
  }
  throw refusal(path, `its ${LORA_METADATA} is not a JSON object`);
}

/** `transformer.lora_alpha` -> `lora_alpha`: diffusers stores those of several models. */
function withoutPrefix(config: JsonObject): JsonObject {
  const entries = Object.entries(config);
  return Object.fromEntries(
    entries.map(([key, value]) => [key.replace(/^transformer\./, ""), value]),
  );
}

async function readAdapters(
  file: SafetensorsFile,
  config: JsonObject,
): Promise<Map<string, Adapter>> {
  const layers = new Map<string, Parts>();
  const strange: string[] = [];
  for (const info of file.tensors.values()) {
    const form = FORMS.find(({ ending }) => ending.test(info.name));
    if (!form) {
      strange.push(info.name);
      continue;
    }
    const layer = layerOf(info.name.replace(form.ending, ""));
    const parts = layers.get(layer) ?? {};
    if (parts[form.kind]) throw refusal(file.path, `it has ${quote(layer)} twice`);
    parts[form.kind] = info;
    layers.set(layer, parts);
  }
  if (layers.size === 0) throw refusal(file.path, "it has no pairs of lora_A and lora_B");
  if (strange.length > 0 || config.use_dora === true) {
    const what = strange.length > 0 ? quoteSome(strange, 3) : "use_dora";
    throw refusal(file.path, `it has more than low-rank pairs, which is not supported: ${what}`);
  }
  const adapters = new Map<string, Adapter>();
  for (const [layer, parts] of layers) {
    const alpha = parts.alpha ? (await readFloats(file, parts.alpha.name))[0] : undefined;
    adapters.set(layer, pair(file.path, layer, parts, alpha ?? alphaOf(config, layer), config));
  }
  return adapters;
}

function layerOf(name: string): string {
  const prefix = PREFIXES.find((prefix) => name.startsWith(prefix));
  return prefix === undefined ? name : layerOf(name.slice(prefix.length));
}

function pair(
  path: string,
  layer: string,
  { a, b }: Parts,
  alpha: number | undefined,
  config: JsonObject,
): Adapter {
  if (!a || !b) throw refusal(path, `${quote(layer)} has no lora_${a ? "B" : "A"}`);
  const rank = a.shape[0] ?? 0;
  if (a.shape.length !== 2 || b.shape.length !== 2 || b.shape[1] !== rank || rank === 0) {
    const shapes = `${shapeText(a.shape)} and ${shapeText(b.shape)}`;
    throw refusal(path, `${quote(layer)} has ${shapes}, not [rank, inputs] and [outputs, rank]`);
  }
  const divisor = config.use_rslora === true ? Math.sqrt(rank) : rank;
  return { a, b, rank, scale: (alpha ?? divisor) / divisor };
}

/** alpha of a layer by peft's configuration; undefined if not given, which means a scale of 1. */
function alphaOf({ lora_alpha, alpha_pattern }: JsonObject, layer: string): number | undefined {
  const patterns = alpha_pattern && typeof alpha_pattern === "object" ? alpha_pattern : {};
  const own = Object.entries(patterns).find(([name]) =>
    layer === name || layer.endsWith(`.${name}`)
  )?.[1];
  const alpha = own ?? lora_alpha;
  return typeof alpha === "number" ? alpha : undefined;
}

function refusal(path: string, why: string): CheckpointError {
  return new CheckpointError(`Cannot use ${quote(path)} as a LoRA: ${why}`, {
    file: path,
    reason: "NamesAndShapes",
  });
}
