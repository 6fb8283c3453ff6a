import type { Frame, Pipeline, PreparedRun, RunPlan } from "../../mod.ts";
import {
  checkCheckpoint,
  type Checkpoint,
  type CheckpointWriter,
  openCheckpoint,
  readCheckpoint,
  resumedOptions,
} from "./checkpoint.ts";
import type { Call } from "../../cli/command.ts";
import { filesToRead } from "../../cli/option.ts";
import { asUsage, InterruptedError, UsageError } from "../../cli/errors.ts";
import { DEMO, modelPath } from "../../request/model_path.ts";
import { GENERATE_OPTIONS } from "../../request/options.ts";
import { outputOptions } from "../../request/output_options.ts";
import { type KeepOptions, keepOutputs, madeBy, madeWith } from "../../request/existing_outputs.ts";
import { factsOf, runWarnings } from "../../request/run_warnings.ts";
import { checkOutputs, keepInputs, listNames, Outputs } from "../../request/outputs.ts";
import { isPreview, openPreview } from "../../request/preview.ts";
import { startProgress } from "../../cli/progress.ts";
import {
  count,
  describePlan,
  describeResult,
  type Result,
  resultJson,
  Stopwatch,
} from "../../request/report.ts";
import {
  buildRequest,
  type GenerateValues,
  type Request,
  settingsOfRequest,
  withDefaults,
} from "../../request/request.ts";
import { orAborted, untilAborted } from "../../cli/abort.ts";
import type { Terminal } from "../../cli/terminal.ts";
import { openModel, withPipeline } from "../../request/with_pipeline.ts";

type GenerateCall = Call<typeof GENERATE_OPTIONS>;

/** `far generate`: generates or continues a video. */
export async function run(call: GenerateCall): Promise<void> {
  const watch = new Stopwatch();
  const begun = await readCheckpoint(call.options);
  const given = begun ? resumedOptions(call.options, begun) : call.options;
  const folder = await modelPath(given.model ?? DEMO);
  using model = await openModel(folder, given.lora);
  const { info } = model;
  const options = withDefaults(given, info.defaults, folder);
  const paths = options.output ?? [];
  if (paths.length === 0 && !options.dryRun && !options.preview) {
    throw new UsageError("Give an output: --output FILE");
  }
  checkOutputs(paths, options.count ?? 1, options.json);
  await checkCheckpoint(options);
  await keepFiles(given, options.count ?? 1, madeBy("generate"));
  // before reading the weights, which can take long, so that errors show at once
  const request = await orAborted(buildRequest(given, options, info), call.signal);
  const inputs = filesToRead(GENERATE_OPTIONS, options).values();
  await keepInputs(paths, request.generate.count ?? 1, [...inputs]);
  watch.lap("context");
  await withPipeline(model, { ...call, options }, async (pipeline) => {
    watch.lap("load");
    await generate({ ...call, options: given }, pipeline, request, { watch, begun });
  });
}

/** Checks all files that a run would write, except the one it resumes from. */
async function keepFiles(
  { output = [], preview, checkpoint, resume, overwrite }: GenerateValues,
  count: number,
  again: KeepOptions["again"],
): Promise<void> {
  await keepOutputs(output, { overwrite, count, again });
  if (checkpoint !== undefined && checkpoint !== resume) {
    await keepOutputs([checkpoint], { overwrite, again });
  }
  if (preview !== undefined && preview !== "terminal") {
    await keepOutputs([preview], { overwrite, again: isPreview });
  }
}

/** Inputs of a run besides its options. */
interface Progressed {
  readonly watch: Stopwatch;
  /** The run to resume. */
  readonly begun: Checkpoint | undefined;
}

async function generate(
  { options: given, terminal, signal }: GenerateCall,
  pipeline: Pipeline,
  request: Request,
  { watch, begun }: Progressed,
): Promise<void> {
  const { options } = request;
  const resume = begun?.latents;
  const run = asUsage(() => pipeline.prepare({ ...request.generate, resume }));
  const { plan } = run;
  const facts = { ...factsOf(plan), slope: pipeline.model.sizes.slope, source: request.source };
  for (const { text } of options.quiet ? [] : runWarnings(options, facts, pipeline.info)) {
    terminal.note(`warning: ${text}`);
  }
  const record = settingsOfRequest(request, given, plan, pipeline);
  const paths = options.output ?? [];
  checkOutputs(paths, plan.videos, options.json);
  if (options.dryRun) {
    const text = options.json
      ? JSON.stringify({ plan, settings: record }, null, 2)
      : describePlan(plan, pipeline, paths);
    return await terminal.print(`${text}\n`);
  }
  const checkpoint = await openCheckpoint(options, plan, record, pipeline.info.path, begun);
  await keepFiles(options, plan.videos, madeWith(record));
  if (options.verbose) terminal.note(describePlan(plan, pipeline, paths));
  if (given.seed === -1n) terminal.note(`seed ${request.seed}`);
  const kept = options.noMetadata ? undefined : record;
  await using outputs = await Outputs.open(
    paths,
    outputOptions(request, run, kept, pipeline.info.actions),
  );
  const sinks = { outputs, checkpoint, watch };
  const stopped = await makeFrames(run, sinks, { options, terminal, signal });
  watch.lap("generate");
  const closing = performance.now();
  const written = await outputs.close();
  watch.add("write", performance.now() - closing);
  if (stopped) throw stopped;
  watch.lap("finish");
  await tell({ plan, written, pipeline, request, watch, settings: record }, options, terminal);
}

async function tell(result: Result, options: GenerateValues, terminal: Terminal): Promise<void> {
  if (options.json) await terminal.print(`${JSON.stringify(resultJson(result), null, 2)}\n`);
  else if (!options.quiet) {
    const line = describeResult(result);
    if (options.output?.includes("-")) terminal.note(line);
    else await terminal.print(`${line}\n`);
  }
}

/** Where frames go, and who counts the time of it. */
interface Sinks {
  readonly outputs: Outputs;
  readonly checkpoint: CheckpointWriter | undefined;
  readonly watch: Stopwatch;
}

/**
 * Runs the model; every frame goes to the outputs and the preview when it is finished.
 * @returns after a signal, the error to end with, if there are frames to keep
 * @throws {InterruptedError} after a signal, if there are none
 */
async function makeFrames(
  run: PreparedRun,
  { outputs, checkpoint, watch }: Sinks,
  { options, terminal, signal }: Pick<GenerateCall, "options" | "terminal" | "signal">,
): Promise<InterruptedError | undefined> {
  const { plan } = run;
  const work = { unit: "frames", total: plan.generatedFrames };
  let made = 0;
  const preview = openPreview(options.preview, terminal);
  const progress = await startProgress(
    work,
    preview?.drawsOnScreen ? { ...options, quiet: true } : options,
    terminal,
  );
  try {
    let before = performance.now();
    for await (const frame of untilAborted(run.frames(), signal)) {
      const there = performance.now();
      watch.add(frame.kind === "context" ? "context" : "frames", there - before);
      await outputs.write(frame);
      await checkpoint?.add(frame);
      await preview?.show(frame);
      before = performance.now();
      watch.add("write", before - there);
      if (!isLast(frame, plan)) continue;
      made = frame.index - plan.contextFrames + 1;
      progress.update(made);
    }
  } catch (thrown) {
    const error = signal.aborted && checkpoint ? await checkpoint.interrupted(thrown) : thrown;
    // a checkpoint already has the frames, and scripts check whether its output exists
    const { onInterrupt = checkpoint ? "discard" : "keep", output } = options;
    const keeps = onInterrupt === "keep" && made > 0 && output?.length;
    if (!keeps || !(error instanceof InterruptedError)) throw error;
    return keptText(error, made, plan, options);
  } finally {
    progress.stop();
  }
}

/** Message of a stopped run: how many frames its outputs have, with those given. */
function keptText(
  { signal, outcome }: InterruptedError,
  made: number,
  { contextFrames, generatedFrames }: RunPlan,
  { output = [], checkpoint, onlyGenerated }: GenerateValues,
): InterruptedError {
  const given = onlyGenerated ? 0 : contextFrames;
  const context = given > 0 ? ` (${given} of context)` : "";
  const kept = `${listNames(output)} ${output.length > 1 ? "have" : "has"} ${given + made} of ` +
    `${count(given + generatedFrames, "frame")}${context}`;
  return new InterruptedError(signal, checkpoint ? `${kept}; ${outcome}` : kept);
}

/** Whether every video now has this generated frame. */
function isLast({ kind, video }: Frame, { videos }: RunPlan): boolean {
  return kind === "generated" && video === videos - 1;
}
