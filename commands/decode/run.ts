import {
  CheckpointError,
  type Frame,
  type Pipeline,
  readFloats,
  SafetensorsFile,
  type WrittenFile,
} from "../../mod.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import type { DECODE_OPTIONS } from "./spec.ts";
import { keepOutputs, madeBy, madeWith } from "../../request/existing_outputs.ts";
import { outputWarnings } from "../../request/output_warnings.ts";
import { checkOutputs, keepInputs, listNames, Outputs } from "../../request/outputs.ts";
import { startProgress } from "../../cli/progress.ts";
import { count } from "../../request/report.ts";
import { jsonOf, settingsMetadata, settingsOf, shellQuote } from "../../cli/settings.ts";
import { untilAborted } from "../../cli/abort.ts";
import { withPipeline } from "../../request/with_pipeline.ts";
import { VERSION } from "../../cli/version.ts";

type DecodeCall = Call<typeof DECODE_OPTIONS>;

/** Unscaled latents of a file. */
interface Latents {
  readonly videos: number;
  readonly frames: number;
  /** c, h, w of one frame. */
  readonly shape: readonly [number, number, number];
  readonly data: Float32Array;
  readonly fps: number | undefined;
}

/** `far decode latents.safetensors -o out.mp4`: latents back to pictures. */
export async function run(call: DecodeCall): Promise<void> {
  const { options, operands, terminal } = call;
  const paths = options.output ?? [];
  if (paths.length === 0) throw new UsageError("Give an output: --output FILE");
  checkOutputs(paths, 1, options.json);
  await keepInputs(paths, 1, operands);
  await keepOutputs(paths, { ...options, again: madeBy(commandOf(operands[0]!)) });
  const folder = await modelPath(options.model ?? DEMO);
  await withPipeline(folder, call, async (pipeline) => {
    const latents = await readLatents(operands[0]!, pipeline);
    checkOutputs(paths, latents.videos, options.json);
    const written = await decodeTo(paths, latents, pipeline, call);
    if (options.json) {
      await terminal.print(`${JSON.stringify({ outputs: written }, null, 2)}\n`);
    } else if (!options.quiet && !paths.includes("-")) {
      const names = listNames(written.map(({ path }) => path));
      await terminal.print(`Wrote ${names}: ${count(latents.frames, "frame")}\n`);
    }
  }, "autoencoder");
}

function commandOf(path: string): string {
  return `decode ${shellQuote(path)}`;
}

/**
 * Reads `latents` [videos, t, c, h, w] or [t, c, h, w]. Those of `far generate` are scaled for the
 * transformer, which is undone here.
 * @throws {CheckpointError} there are none, or their channels differ from the model's
 */
async function readLatents(path: string, { model }: Pipeline): Promise<Latents> {
  using file = await SafetensorsFile.open(path);
  const shape = file.tensors.get("latents")?.shape ?? [];
  const [videos, frames, c, h, w] = shape.length === 4 ? [1, ...shape] : shape;
  if ((shape.length !== 4 && shape.length !== 5) || c !== model.sizes.channels) {
    throw new CheckpointError(
      `Cannot decode "${path}": "latents" must be [videos, t, ${model.sizes.channels}, h, w], ` +
        (shape.length > 0 ? `but is [${shape.join(", ")}]` : "but it is missing"),
      { file: path, reason: "WrongDtype" },
    );
  }
  const data = await readFloats(file, "latents");
  const scaled = !file.metadata.has("scaling_factor") &&
    settingsOf(file.metadata)?.command === "generate";
  const factor = model.vae.scalingFactor;
  const fps = Number(file.metadata.get("fps"));
  return {
    videos: videos!,
    frames: frames!,
    shape: [c!, h!, w!],
    data: scaled ? data.map((value) => value / factor) : data,
    fps: Number.isFinite(fps) && fps > 0 ? fps : undefined,
  };
}

async function decodeTo(
  paths: readonly string[],
  latents: Latents,
  pipeline: Pipeline,
  { options, operands, terminal, signal }: DecodeCall,
): Promise<WrittenFile[]> {
  const { videos, frames, shape: [, h, w] } = latents;
  const { info } = pipeline;
  const { compression } = info;
  const { model = DEMO, dtype, codec, quality, scale } = options;
  const fps = options.fps ?? latents.fps ?? info.fps;
  const record = {
    command: commandOf(operands[0]!),
    version: VERSION,
    options: jsonOf({ model, dtype, fps, codec, quality, scale, output: paths }),
  };
  const { overwrite } = options;
  for (const { text } of options.quiet ? [] : outputWarnings(paths, { ...options, fps })) {
    terminal.note(`warning: ${text}`);
  }
  await keepOutputs(paths, { overwrite, count: videos, again: madeWith(record) });
  await using outputs = await Outputs.open(paths, {
    count: videos,
    frames,
    from: 0,
    width: w * compression,
    height: h * compression,
    ...{ fps, codec, quality, scale },
    format: options.format,
    metadata: options.noMetadata ? undefined : settingsMetadata(record),
    tensors: {
      width: w * compression,
      height: h * compression,
      latentShape: latents.shape,
      metadata: { scaling_factor: String(pipeline.model.vae.scalingFactor) },
    },
  });
  const work = { unit: "frames", total: videos * frames };
  const progress = await startProgress(work, options, terminal);
  try {
    let done = 0;
    for await (const frame of untilAborted(decodeFrames(pipeline, latents), signal)) {
      await outputs.write(frame);
      progress.update(++done);
    }
  } finally {
    progress.stop();
  }
  return await outputs.close();
}

/** Pictures of all videos in the order of their frames. */
async function* decodeFrames(
  pipeline: Pipeline,
  { videos, frames, shape: [c, h, w], data }: Latents,
): AsyncGenerator<Frame, void, void> {
  const size = c * h * w;
  for (let video = 0; video < videos; video++) {
    const own = data.subarray(video * frames * size, (video + 1) * frames * size);
    let index = 0;
    for await (const pixels of pipeline.decode(own, w, h)) {
      const latents = own.slice(index * size, (index + 1) * size);
      yield { index, kind: "context", video, pixels, latents };
      index++;
    }
  }
}
