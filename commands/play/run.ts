import { extname } from "node:path";
import { loadPipeline } from "../../mod.ts";
import type { Call } from "../../cli/command.ts";
import { interrupted, UsageError } from "../../cli/errors.ts";
import { inFlags } from "../../cli/flags.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import { openModel } from "../../request/with_pipeline.ts";
import { actionKeys, idleAction, labelNames } from "../../player/action_keys.ts";
import { StartClips } from "./clips.ts";
import { Game } from "../../player/game.ts";
import { playInPage } from "./page_game.ts";
import { Recording } from "./recording.ts";
import { requireTerminal } from "./screen.ts";
import { pathCommand, sessionSettings } from "./session_settings.ts";
import type { PLAY_OPTIONS } from "./spec.ts";
import { playInTerminal } from "./terminal_game.ts";
import type { PlaySetup } from "./setup.ts";
import { readLabel, worldOpener } from "./world.ts";
import { checkGuidance, modelWarnings } from "../../request/model_warnings.ts";
import { viewingScale } from "../../request/viewing_scale.ts";
import { outputWarnings } from "../../request/output_warnings.ts";
import { keepOutputs } from "../../request/existing_outputs.ts";
import { pictureSize } from "../../request/request.ts";
import { type PlayValues, withModelDefaults } from "./play_values.ts";

/** `far play`: steers a world live, in the terminal or in a page. */
export async function run(call: Call<typeof PLAY_OPTIONS>): Promise<void> {
  const { options: given, signal, terminal } = call;
  checkOptions(given);
  if (given.record !== undefined) await keepOutputs([given.record], given);
  const { pipeline, options } = await load(call);
  try {
    const { info } = pipeline;
    const size = pictureSize(options, info);
    const wanted = { size, frames: 1, guidance: options.guidance, slope: 0 };
    for (const { text } of given.quiet ? [] : modelWarnings(wanted, info)) {
      terminal.note(`warning: ${text}`);
    }
    const choice = { ...options, upTo: given.contextFrames === undefined };
    const clips = await StartClips.find(choice, info.path, { ...size, multiple: info.multiple });
    const keys = actionKeys(info);
    const fps = options.fps ?? info.fps;
    await play({ pipeline, options, size, clips, keys, fps, terminal, signal });
  } finally {
    if (!signal.aborted) await pipeline.close();
  }
}

/** Loads the model; its defaults are the options that were not given. */
async function load(
  { options: given, terminal }: Call<typeof PLAY_OPTIONS>,
): Promise<Pick<PlaySetup, "pipeline" | "options">> {
  const folder = await modelPath(given.model ?? DEMO);
  using model = await openModel(folder, given.lora);
  const options = withModelDefaults(given, model.info.defaults, folder);
  if (given.seed === -1n) terminal.note(`seed ${options.seed}`);
  if (!given.quiet) terminal.note("loading the model ...");
  const { dtype, backend, flexrope: slope } = options;
  return { pipeline: await loadPipeline(model, { dtype, backend, slope }), options };
}

const RECORDS = [".mp4", ".mov", ".webm", ".mkv", ".gif", ".y4m", ".npz"];

/** @throws {UsageError} invalid options, before the model is loaded */
function checkOptions(given: PlayValues): void {
  const { record, web, port, host, lan, open, context, guidance } = given;
  checkGuidance(guidance);
  if (record !== undefined && !RECORDS.includes(extname(record).toLowerCase())) {
    throw new UsageError(
      `Cannot record to "${record}": its name must end in one of ${RECORDS.join(" ")}`,
    );
  }
  if (context === "-") throw new UsageError("Cannot read the context from stdin while playing");
  if (!web && (port !== undefined || host !== undefined || lan || open)) {
    throw new UsageError("Cannot use --port, --host, --lan or --open: give --web too");
  }
  if (lan && host !== undefined) {
    throw new UsageError("Cannot use --lan with --host: either says where to listen");
  }
  if (!web) requireTerminal();
}

async function play(setup: PlaySetup): Promise<void> {
  const { options, clips, keys, fps, terminal, signal } = setup;
  const { steps, guidance = 1, solver = "euler" } = options;
  const game = new Game({
    clips: clips.names,
    settings: { steps, guidance, solver },
    fps,
    actions: keys.map(({ name }) => name),
    idle: idleAction(keys),
    label: readLabel(options.label, setup.pipeline.info),
    labels: labelNames(setup.pipeline.info)?.length,
    explain: inFlags,
    exactReturn: (options.windowCache ?? setup.pipeline.info.windowCache) === "encode",
    open: worldOpener(setup),
  });
  const recording = await openRecording(setup);
  if (recording) game.watch(recording);
  const finish = async () => {
    const kept = recording
      ? await recording.close(sessionSettings(game, setup))
      : unrecorded(game, setup);
    const told = options.web || !signal.aborted; // otherwise the error says it
    if (told && !options.quiet) terminal.note(kept);
    return kept;
  };
  try {
    await (options.web ? playInPage(game, setup) : playInTerminal(game, setup)).catch(
      async (error) => {
        // keep the recording whatever ended the game: a lost GPU, no descriptors left
        const kept = game.frames > 0 ? await finish().catch(() => undefined) : undefined;
        throw signal.aborted && kept ? interrupted(signal.reason, kept) : error;
      },
    );
    const outcome = game.frames > 0 ? await finish() : "nothing was shown";
    // a page ends only by a signal
    if (signal.aborted && !options.web) throw interrupted(signal.reason, outcome);
  } finally {
    await recording?.abort(); // does nothing if it was closed
  }
}

/** What was made where no file was: how much, and the command that makes it again. */
function unrecorded(game: Game, setup: PlaySetup): string {
  const frames = `${game.frames} ${game.frames === 1 ? "frame was" : "frames were"} shown`;
  const command = game.shown && pathCommand(game, game.shown.id, setup);
  if (!command) return `${frames}; to keep them, play with --record FILE`;
  return `${frames}, not recorded; make the last ones again with ${command}`;
}

async function openRecording(
  { options, keys, size, fps, terminal }: PlaySetup,
): Promise<Recording | undefined> {
  const { record, codec, quality, scale } = options;
  if (record === undefined) return undefined;
  for (const { text } of options.quiet ? [] : outputWarnings([record], { ...options, fps })) {
    terminal.note(`warning: ${text}`);
  }
  const names = keys.map(({ name }) => name);
  const format = { ...size, fps, codec, quality, scale: viewingScale(record, { ...size, scale }) };
  return await Recording.open(record, { ...format, names, idle: idleAction(keys) });
}
