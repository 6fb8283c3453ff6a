import { join } from "node:path";
import {
  autoencoderConfig,
  type AutoencoderName,
  COMPRESSION,
  type ConvertReport,
  type JsonObject,
  openModelFolder,
  parseConfigs,
  type PartReport,
  readJson,
} from "../../app.ts";
import { convertModel, type ConvertOptions } from "../../mod.ts";
import { countText, sizeText } from "../../cli/amounts.ts";
import type { Call } from "../../cli/command.ts";
import { interrupted, UsageError } from "../../cli/errors.ts";
import { isFolder } from "../../cli/folder.ts";
import { parseLora } from "../../request/lora.ts";
import { modelPath } from "../../request/model_path.ts";
import type { CONVERT_OPTIONS } from "./spec.ts";
import { ByteProgress } from "../../cli/byte_progress.ts";
import { presetNamed } from "../../request/preset_name.ts";

type ConvertCall = Call<typeof CONVERT_OPTIONS>;

/** `far convert`: makes a model folder from checkpoints. */
export async function run({ options, terminal, signal }: ConvertCall): Promise<void> {
  const { output } = options;
  const sources = await sourcesOf(options);
  if (!output) throw new UsageError("Say where to write the model: give -o DIR");
  const own = options.architecture ?? options.config ?? options.vaeConfig;
  if (options.preset !== undefined && own !== undefined) {
    throw new UsageError(
      "Give --preset, or --architecture, --config and --vae-config, but not both",
    );
  }
  const progress = new ByteProgress(options, terminal);
  try {
    const report = await convertModel({
      ...sources,
      output,
      preset: options.preset === undefined ? undefined : presetNamed(options.preset),
      architecture: options.architecture,
      config: options.config === undefined ? undefined : await readJson(options.config),
      vaeConfig: await vaeConfig(options.vaeConfig),
      lora: options.mergeLora === undefined ? undefined : parseLora(options.mergeLora),
      dtype: options.dtype,
      allowNonFinite: options.allowNonFinite,
      overwrite: options.overwrite,
      stateDict: { key: options.stateDict, ema: !options.noEma },
      onProgress: progress.update,
      signal,
    });
    await progress.stop();
    await tell(report, { options, terminal });
  } catch (error) {
    const kept = "finished parts are kept; run it again to continue";
    throw signal.aborted ? interrupted(signal.reason, kept) : error;
  } finally {
    await progress.stop();
  }
}

/** Sources to convert: a model with everything next to its weights, or two files. */
async function sourcesOf(
  { model, transformer, vae }: ConvertCall["options"],
): Promise<Pick<ConvertOptions, "transformer" | "vae" | "far" | "schedule" | "clips">> {
  if (model === undefined) {
    if (transformer && vae) return { transformer, vae };
    const missing = transformer
      ? "Give the autoencoder, too: --vae FILE"
      : vae
      ? "Give the transformer, too: --transformer FILE"
      : "Say what to convert: give --model, or --transformer FILE and --vae FILE";
    throw new UsageError(missing);
  }
  if (transformer || vae) {
    throw new UsageError("Give --model, or --transformer and --vae, but not both");
  }
  const folder = await openModelFolder(await modelPath(model));
  const { schedule } = parseConfigs(folder); // refuses what cannot be run, in the same words
  const clips = join(folder.path, "clips");
  return {
    transformer: folder.transformer.path,
    vae: folder.vae.path,
    far: folder.far,
    schedule,
    ...(await isFolder(clips) && { clips }),
  };
}

async function vaeConfig(given: string | undefined): Promise<JsonObject | undefined> {
  if (given === undefined) return undefined;
  if (Object.hasOwn(COMPRESSION, given)) return autoencoderConfig(given as AutoencoderName);
  return await readJson(given);
}

async function tell(
  report: ConvertReport,
  { options, terminal }: Pick<ConvertCall, "options" | "terminal">,
): Promise<void> {
  if (options.json) return await terminal.print(`${JSON.stringify(report, null, 2)}\n`);
  if (options.quiet) return;
  for (const note of report.notes) terminal.note(note);
  await terminal.print(`${describeConverted(report)}\n`);
}

/** What was written and the errors of casting, one line per part. */
export function describeConverted({ output, transformer, vae }: ConvertReport): string {
  return [
    `Wrote ${output}`,
    `  transformer  ${describePart(transformer)}`,
    `  vae          ${describePart(vae)}`,
  ].join("\n");
}

function describePart({ tensors, parameters, bytes, from, to, rounding, nonFinite }: PartReport) {
  const types = [from, to].map((counts) => Object.keys(counts).join("+"));
  const parts = [
    `${tensors} tensors, ${countText(parameters)} values, ${sizeText(bytes)}`,
    types[0] === types[1] ? types[0]! : `${types[0]} to ${types[1]}`,
  ];
  if (rounding) {
    const { name, error, largestValue } = rounding;
    parts.push(
      `largest rounding error ${error.toPrecision(2)} in ${name} ` +
        `(values up to ${largestValue.toPrecision(2)})`,
    );
  }
  if (nonFinite) parts.push(`${nonFinite} values are not finite`);
  return parts.join(", ");
}
