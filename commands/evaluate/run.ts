import { extname, join, resolve } from "node:path";
import { type LpipsNetwork, multiScaleSsim, openLpips, printable, writeOutput } from "../../app.ts";
import { listAdapters } from "../../mod.ts";
import { knownResults } from "../../batch/results.ts";
import { type BatchOutcome, executeBatch, JobsFailedError } from "../../batch/run_batch.ts";
import { orAborted } from "../../cli/abort.ts";
import { isFile } from "../../cli/folder.ts";
import type { Call } from "../../cli/command.ts";
import { startProgress } from "../../cli/progress.ts";
import { commandLine, defined, jsonOf, shellQuote } from "../../cli/settings.ts";
import { VERSION } from "../../cli/version.ts";
import { count } from "../../request/report.ts";
import { readSource, type SourceOptions } from "../../request/sources.ts";
import { executorOf } from "../batch/run.ts";
import {
  checkClips,
  clipOptions,
  type EvaluationClip,
  findClips,
  readTruth,
  withMoves,
} from "./clips.ts";
import type { Evaluation, Machine, Times } from "./evaluation.ts";
import { exportVideo } from "./export.ts";
import { checkOutputs, workFolder } from "./files.ts";
import { type Plan, planJobs, type Prediction, writeManifest } from "./jobs.ts";
import { bestOf, meanOf, measureFrames } from "./measure.ts";
import { type Protocol, resolveProtocol } from "./protocol.ts";
import { evaluationPage, type Shown } from "./report.ts";
import type { EVALUATE_OPTIONS } from "./spec.ts";
import { measureAgreement, measureReturns } from "./steering.ts";
import { type ClipResult, publishedOf, ranked, summarise } from "./summary.ts";
import { evaluationJson, framesCsv, markdownTable } from "./tables.ts";

type EvaluateCall = Call<typeof EVALUATE_OPTIONS>;

/** Inputs of an evaluation. */
interface Setup {
  readonly call: EvaluateCall;
  readonly protocol: Protocol;
  readonly clips: readonly EvaluationClip[];
  readonly fit: SourceOptions["fit"];
  readonly plan: Plan;
  readonly folder: string;
  /** Network of LPIPS, if that is measured. */
  readonly network: LpipsNetwork | undefined;
}

/** `far evaluate MODEL DATA`: measures measures how well a model predicts clips. */
export async function run(call: EvaluateCall): Promise<void> {
  const { options, operands, signal } = call;
  const [model, data] = operands as [string, string];
  await checkOutputs(options);
  const network = options.lpips && await openLpips(options.lpips);
  const protocol = await resolveProtocol(model, options);
  const fit = clipOptions(options, protocol);
  const clips = await withMoves(await findClips(data), protocol);
  await orAborted(checkClips(clips, protocol, fit), signal);
  const plan = planJobs(clips, protocol, options);
  const kept = workFolder(options);
  const folder = resolve(kept ?? await Deno.makeTempDir({ prefix: "far-evaluate-" }));
  try {
    await Deno.mkdir(folder, { recursive: true });
    const setup = { call, protocol, clips, fit, plan, folder, network };
    const made = await makeAll(setup);
    if (made) await finish(setup, data);
  } finally {
    if (kept === undefined) await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Generates what is missing.
 * @returns false if other shards have not finished theirs
 * @throws {JobsFailedError} some jobs failed
 */
async function makeAll({ call, plan, folder, protocol }: Setup): Promise<boolean> {
  const { options, terminal } = call;
  const manifest = await writeManifest(folder, plan.jobs);
  const { shard, force, retryFailed, gpuBatch, hangAfter, redis, queue, shared } = options;
  const { backend, quiet, verbose, progress } = options;
  const asked = { shard, force, retryFailed, gpuBatch, hangAfter, redis, queue, shared, backend };
  const batch = { ...asked, quiet, verbose, progress, outDir: folder };
  const batchCall = { ...call, options: defined(batch) };
  const outcome = await executeBatch(manifest, batchCall, executorOf(batch)) as BatchOutcome;
  if (outcome.tally.failed > 0) throw new JobsFailedError(outcome.tally, outcome.results);
  if (shard === undefined) return true;
  const missing = await missingFiles(plan, folder);
  if (missing === 0) return true;
  terminal.note(
    `shard ${shard} of ${protocol.info.name} is made; ${count(missing, "file")} of other shards ` +
      "are missing: the same command without --shard reports when they are there",
  );
  return false;
}

async function missingFiles({ predictions, trips, probes }: Plan, folder: string): Promise<number> {
  const files = [...predictions.flatMap(({ files }) => files), ...trips, ...probes]
    .map((made) => typeof made === "string" ? made : made.file);
  const there = await Promise.all(files.map((file) => isFile(join(folder, file))));
  return there.filter((isThere) => !isThere).length;
}

/** Measures the predictions, and writes and prints the results. */
async function finish(setup: Setup, data: string): Promise<void> {
  const { call: { options, terminal }, protocol, clips, fit, plan, folder } = setup;
  const { results, scales } = await measureAll(setup);
  const tests = [folder, protocol, fit] as const;
  const evaluation: Evaluation = {
    protocol,
    data: printable(data),
    clips,
    results,
    summary: summarise(results, protocol.context),
    scales,
    published: publishedOf(protocol.preset),
    returns: await measureReturns(plan.trips, ...tests),
    agreement: plan.probes.length > 0 ? await measureAgreement(plan.probes, ...tests) : undefined,
    machine: await machineOf(),
    times: await timesOf(setup),
    command: commandOf(setup.call),
    version: VERSION,
  };
  for (const path of options.output ?? []) {
    await writeOutput(path, await outputText(path, evaluation, setup));
  }
  const text = options.json
    ? `${JSON.stringify(evaluationJson(evaluation), null, 2)}\n`
    : markdownTable(evaluation);
  await terminal.print(text);
}

/** Compares all predictions with their clips and exports pictures. */
async function measureAll(
  { call, protocol, plan, fit, folder, network }: Setup,
): Promise<{ results: ClipResult[]; scales: number }> {
  const { options, terminal, signal } = call;
  const results: ClipResult[] = [];
  let scales = 0;
  const work = { unit: "clips measured", total: plan.predictions.length };
  const progress = await startProgress(work, options, terminal);
  try {
    for (const prediction of plan.predictions) {
      signal.throwIfAborted();
      const { clip: { id, path }, seed } = prediction;
      const truth = await readTruth(prediction.clip, protocol, fit);
      const made = await readMade(prediction, folder);
      const frames = bestOf(
        made.map((video) => measureFrames(truth, video, protocol.context, network)),
      );
      results.push({ id, path, seed, mean: meanOf(frames), frames });
      const { width, height, data } = truth;
      scales ||= multiScaleSsim(data, data, width, height).scales;
      if (options.export !== undefined) {
        if (seed === protocol.seeds[0]) await exportVideo(options.export, "truth", id, truth);
        for (const [i, video] of made.entries()) {
          const kind = plan.predictions.length * made.length > plan.predictions.length ||
              protocol.seeds.length > 1
            ? `made-${seed}-${i}`
            : "made";
          await exportVideo(options.export, kind, id, video);
        }
      }
      progress.update(results.length);
    }
  } finally {
    progress.stop();
  }
  return { results, scales };
}

async function readMade({ files }: Prediction, folder: string) {
  return await Promise.all(files.map((file) => readSource(join(folder, file))));
}

async function outputText(path: string, evaluation: Evaluation, setup: Setup): Promise<string> {
  switch (extname(path).toLowerCase()) {
    case ".json":
      return `${JSON.stringify(evaluationJson(evaluation), null, 2)}\n`;
    case ".csv":
      return framesCsv(evaluation);
    case ".md":
      return markdownTable(evaluation);
    default:
      return evaluationPage(evaluation, await shownClips(evaluation, setup));
  }
}

/** Number of best and of worst clips in a report. */
const SHOWN = 2;

async function shownClips(
  { results }: Evaluation,
  { plan, protocol, fit, folder }: Setup,
): Promise<Shown[]> {
  const order = ranked(results);
  const best = order.slice(0, SHOWN);
  const worst = order.slice(Math.max(SHOWN, order.length - SHOWN)).reverse();
  const chosen = [
    ...best.map((result) => ({ result, why: "best" })),
    ...worst.map((result) => ({ result, why: "worst" })),
  ];
  return await Promise.all(chosen.map(async ({ result, why }) => {
    const prediction = plan.predictions
      .find(({ clip, seed }) => clip.id === result.id && seed === result.seed)!;
    const truth = await readTruth(prediction.clip, protocol, fit);
    const videos = await readMade(prediction, folder);
    const psnr = videos.map((video) => meanOf(measureFrames(truth, video, protocol.context)).psnr);
    return { result, why, truth, made: videos[psnr.indexOf(Math.max(...psnr))]! };
  }));
}

/**
 * Times of the predictions, from the records of their jobs; the seconds of a batch are shared by
 * its videos.
 */
async function timesOf({ folder, plan, protocol }: Setup): Promise<Times> {
  const files = new Map(plan.predictions.map(({ files, ...rest }) => [files[0], rest]));
  let seconds = 0;
  let frames = 0;
  for (const record of (await knownResults(folder, join(folder, "results.jsonl"))).values()) {
    const [first] = record.outputs;
    if (!first || !files.delete(first.path) || record.seconds === undefined) continue;
    seconds += record.seconds / (record.batch ?? 1);
    frames += protocol.frames * protocol.trajectories;
  }
  return { seconds, frames };
}

async function machineOf(): Promise<Machine> {
  const [adapter] = await listAdapters();
  const cores = navigator.hardwareConcurrency;
  return {
    adapter: adapter?.name ?? "unknown adapter",
    program: `Deno ${Deno.version.deno}`,
    system: `${Deno.build.os} ${Deno.build.arch}, ${count(cores, "core")}`,
  };
}

/** The command line without options for this run only. */
function commandOf({ options, operands }: EvaluateCall): string {
  const { quiet: _, verbose: _verbose, json: _json, progress: _progress, ...rest } = options;
  const command = ["evaluate", ...operands.map(shellQuote)].join(" ");
  return commandLine({ command, options: jsonOf(rest) });
}
