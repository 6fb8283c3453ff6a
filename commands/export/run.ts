import { basename, isAbsolute, join, resolve } from "node:path";
import page from "../../player/page.html" with { type: "text" };
import style from "../../player/page.css" with { type: "text" };
import { VERSION, WORLD_FILE, type WorldFile } from "../../player/world_file.ts";
import { makeFolder, openModelAt, openModelFolder, readShardIndex, WorkFolder } from "../../app.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import { checkSize, THROWN } from "../../request/fit.ts";
import { checkGuidance, modelWarnings } from "../../request/model_warnings.ts";
import { pictureSize } from "../../request/request.ts";
import { StartClips } from "../play/clips.ts";
import { type PlayValues, withModelDefaults } from "../play/play_values.ts";
import { MEMORY_FRAMES, STEPS } from "../play/spec.ts";
import { readLabel } from "../play/world.ts";
import { bundlePlayer } from "./bundle.ts";
import { writeClips } from "./clip_files.ts";
import { cutFile } from "./cut_file.ts";
import { copyLicence } from "./licence.ts";
import type { EXPORT_OPTIONS } from "./spec.ts";

type ExportCall = Call<typeof EXPORT_OPTIONS>;

/** `far export --web MODEL -o DIR`: writes a model as a page that plays it. */
export async function run({ options: given, operands, terminal, signal }: ExportCall) {
  const { output, web, overwrite } = given;
  if (!web) throw new UsageError("Say what to make: give --web, for a page that plays the model");
  if (output === undefined) throw new UsageError("Say where to write: give --output DIR");
  const named = operands[0] ?? DEMO;
  const folder = await modelPath(named);
  await using work = await WorkFolder.open(output, crypto.randomUUID(), overwrite);
  const note = given.quiet ? () => {} : (text: string) => terminal.note(`warning: ${text}`);
  const bytes = await writeWorld(
    work.path,
    { folder, typed: publicName(named) },
    given as PlayValues,
    note,
    signal,
  );
  await work.commit();
  if (given.quiet) return;
  const size = (bytes / 1e6).toFixed(1);
  await terminal.print(`Wrote ${output}, ${size} MB. See it with far serve ${output}\n`);
}

/** Writes all files of the page. @returns how many bytes a visitor loads */
async function writeWorld(
  to: string,
  { folder, typed }: { folder: string; typed: string },
  given: PlayValues,
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const model = await openModelFolder(folder);
  using opened = await openModelAt(model);
  const { info } = opened;
  const options = withModelDefaults(given, model.far?.defaults, folder);
  checkGuidance(options.guidance);
  checkSize(options, info, THROWN);
  const size = pictureSize(options, info);
  const wanted = { size, frames: 1, guidance: options.guidance, slope: opened.sizes.slope };
  for (const { text } of modelWarnings(wanted, info)) warn(text);
  const choice = { ...options, upTo: given.contextFrames === undefined };
  const clips = await StartClips.find(choice, folder, { ...size, multiple: info.multiple });
  await makeFolder(join(to, "weights"));
  const part = async (name: "transformer" | "vae") => {
    const { config, weights } = model[name];
    const files = weights.endsWith(".json") ? (await readShardIndex(weights)).files : [weights];
    const cut = [];
    for (const [i, file] of files.entries()) {
      cut.push(
        await cutFile(file, to, `weights/${name}${files.length > 1 ? `-${i}` : ""}`, signal),
      );
    }
    return { config, weights: cut };
  };
  const { steps = STEPS, guidance = 1, solver = "euler", seed = 0n, label } = options;
  const world: WorldFile = {
    version: VERSION,
    model: typed,
    far: { ...model.far, name: info.name },
    modelIndex: model.modelIndex,
    scheduler: model.scheduler,
    transformer: await part("transformer"),
    vae: await part("vae"),
    clips: await writeClips(clips, to, size, info),
    settings: {
      ...size,
      steps,
      guidance,
      solver,
      seed: exactSeed(seed),
      memoryFrames: options.memoryFrames ?? MEMORY_FRAMES,
      label: readLabel(label, info),
    },
  };
  const text = `${JSON.stringify(world)}\n`;
  await Deno.writeTextFile(join(to, WORLD_FILE), text);
  await Deno.writeTextFile(join(to, "index.html"), pageOf(info.name));
  await copyLicence(model, to);
  const script = await bundlePlayer(join(to, "player.js"));
  const files = [world.transformer, world.vae].flatMap(({ weights }) => weights);
  const pieces = files.flatMap(({ pieces }) => pieces);
  return pieces.reduce((sum, { bytes }) => sum + bytes, text.length + script);
}

/** A model as it was typed, but without folders of this machine, which are nobody else's business. */
function publicName(typed: string): string {
  const isElsewhere = isAbsolute(typed) || typed.startsWith(".");
  return isElsewhere ? basename(resolve(typed)) : typed;
}

/** JSON's numbers are exact up to 2^53. */
function exactSeed(seed: bigint): number {
  if (seed <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(seed);
  throw new UsageError(`Cannot export --seed ${seed}: the most that a page takes is 2^53 - 1`);
}

/** The page with its style inline: one file fewer to load. */
function pageOf(name: string): string {
  const escaped = name.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  return page
    .replace('<link rel="stylesheet" href="page.css">', () => `<style>\n${style}</style>`)
    .replace("<title>far play</title>", () => `<title>${escaped}</title>`);
}
