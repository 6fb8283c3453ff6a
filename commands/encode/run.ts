import { type AtomicFile, bytesOf, createOutput, type SafetensorsEntry } from "../../app.ts";
import { MediaError, type ModelInfo, type Pipeline, writeSafetensors } from "../../mod.ts";
import { orAborted } from "../../cli/abort.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import type { ENCODE_OPTIONS } from "./spec.ts";
import { keepOutputs, madeWith } from "../../request/existing_outputs.ts";
import { keepInputs } from "../../request/outputs.ts";
import { type Progress, startProgress } from "../../cli/progress.ts";
import { readSource, type Source } from "../../request/sources.ts";
import { jsonOf, type Settings, settingsMetadata, shellQuote } from "../../cli/settings.ts";
import { withPipeline } from "../../request/with_pipeline.ts";
import { VERSION } from "../../cli/version.ts";

/** Frames on the GPU at once. */
const BATCH = 16;

/** `far encode SRC -o latents.safetensors`: encodes pictures with the autoencoder. */
export async function run(call: Call<typeof ENCODE_OPTIONS>): Promise<void> {
  const { options, operands, terminal, signal } = call;
  const [path] = operands as [string];
  const { output } = options;
  if (!output?.toLowerCase().endsWith(".safetensors")) {
    throw new UsageError(
      output === undefined
        ? "Give an output for the latents: --output FILE.safetensors"
        : `Cannot write latents to "${output}": its name must end in .safetensors`,
    );
  }
  await keepInputs([output], 1, [path]);
  const model = options.model ?? DEMO;
  const settings = settingsOfEncoding(path, model, options);
  await keepOutputs([output], { overwrite: options.overwrite, again: madeWith(settings) });
  await withPipeline(await modelPath(model), call, async (pipeline) => {
    const reading = readFitting(path, options, pipeline.info.compression);
    const source = await orAborted(reading, signal);
    if (!options.quiet) {
      for (const warning of source.warnings) terminal.note(`warning: ${warning}`);
    }
    const work = { unit: "frames", total: source.videos * source.frames };
    await using file = await createOutput(output);
    const progress = await startProgress(work, options, terminal);
    const latents = await encodeFrames(pipeline, source, progress, signal)
      .finally(() => progress.stop());
    const shape = latentShape(pipeline, source);
    const actions = await ownActions(source, pipeline.info, call);
    const bytes = await writeLatents(file, { latents, shape, actions }, {
      ...settingsMetadata(settings),
      scaling_factor: String(pipeline.model.vae.scalingFactor),
      fps: String(source.fps ?? pipeline.info.fps),
      model,
    });
    const result = { outputs: [{ path: output, frames: work.total, bytes }], latents: shape };
    if (options.json) await terminal.print(`${JSON.stringify(result, null, 2)}\n`);
    else if (!options.quiet) {
      await terminal.print(`Wrote ${output}: latents [${shape.join(", ")}], unscaled\n`);
    }
  }, "autoencoder");
}

function settingsOfEncoding(path: string, model: string, options: EncodeOptions): Settings {
  const { start, stride, frames, size, resize, output, dtype } = options;
  const record = { model, start, stride, frames, resize, dtype, output, size };
  return { command: `encode ${shellQuote(path)}`, version: VERSION, options: jsonOf(record) };
}

/** The actions of the frames, for training on the latents; optional here. */
async function ownActions(
  { actions, frames }: Source,
  { condition: { kind, count }, actions: names }: ModelInfo,
  { options, terminal }: Pick<Call<typeof ENCODE_OPTIONS>, "options" | "terminal">,
): Promise<number[][] | undefined> {
  if (kind !== "action") return undefined;
  try {
    const lists = await actions?.({ kind, count, names });
    return lists?.map((list) => list.slice(0, frames));
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof MediaError)) throw error;
    if (!options.quiet) terminal.note(`warning: ${error.message}; the latents go without actions`);
  }
}

/** What to write for a source. */
interface Encoded {
  readonly latents: Float32Array;
  readonly shape: readonly number[];
  /** One list for all videos, or one each. */
  readonly actions: readonly (readonly number[])[] | undefined;
}

async function writeLatents(
  file: AtomicFile,
  { latents, shape, actions }: Encoded,
  metadata: Record<string, string>,
): Promise<number> {
  const tensors: SafetensorsEntry[] = [
    { name: "latents", dtype: "F32", shape, data: bytesOf(latents) },
  ];
  const [videos, frames] = shape as [number, number];
  if (actions) {
    const all = Array.from({ length: videos }, (_, video) => actions[video] ?? actions[0]!);
    const data = bytesOf(BigInt64Array.from(all.flat(), BigInt));
    tensors.push({ name: "actions", dtype: "I64", shape: [videos, frames], data });
  }
  const bytes = await writeSafetensors(file, tensors, metadata);
  await file.commit();
  return bytes;
}

type EncodeOptions = Call<typeof ENCODE_OPTIONS>["options"];

/** The source at --size, or cropped to a size that the autoencoder supports. */
async function readFitting(
  path: string,
  { start, stride, frames, size, resize }: EncodeOptions,
  compression: number,
): Promise<Source> {
  const pick = { start, stride, count: frames };
  if (resize && !size) throw new UsageError("Cannot use --resize: give --size too");
  if (size) {
    for (const side of [size.width, size.height]) {
      if (side % compression === 0) continue;
      throw new UsageError(
        `Cannot encode ${size.width}x${size.height}: sides must be multiples of ${compression}`,
      );
    }
    return await readSource(path, {
      ...pick,
      fit: { ...size, multiple: compression, always: true, resize },
    });
  }
  return cropToMultiple(await readSource(path, pick), compression, path);
}

/** The centre of every frame, cropped to whole latents. */
function cropToMultiple(source: Source, multiple: number, path: string): Source {
  const width = source.width - source.width % multiple;
  const height = source.height - source.height % multiple;
  if (width === source.width && height === source.height) return source;
  if (width === 0 || height === 0) {
    throw new UsageError(
      `Cannot encode "${path}": ${source.width}x${source.height} is smaller than one latent of ` +
        `${multiple}x${multiple}; give --size`,
    );
  }
  const left = Math.floor((source.width - width) / 2);
  const top = Math.floor((source.height - height) / 2);
  const planes = source.videos * source.frames * 3;
  const data = new Float32Array(planes * width * height);
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y++) {
      const from = (plane * source.height + top + y) * source.width + left;
      data.set(source.data.subarray(from, from + width), (plane * height + y) * width);
    }
  }
  return { ...source, width, height, data };
}

async function encodeFrames(
  pipeline: Pipeline,
  { videos, frames, width, height, data }: Source,
  progress: Progress,
  signal: AbortSignal,
): Promise<Float32Array> {
  const size = 3 * width * height;
  const total = videos * frames;
  let latents: Float32Array | undefined;
  for (let at = 0; at < total; at += BATCH) {
    const end = Math.min(total, at + BATCH);
    const pictures = data.subarray(at * size, end * size);
    const part = await orAborted(pipeline.encode(pictures, width, height), signal);
    latents ??= new Float32Array(part.length / (end - at) * total);
    latents.set(part, at * (part.length / (end - at)));
    progress.update(end);
  }
  return latents!;
}

function latentShape({ info, model }: Pipeline, source: Source): number[] {
  const { videos, frames, width, height } = source;
  const { compression } = info;
  return [videos, frames, model.sizes.channels, height / compression, width / compression];
}
