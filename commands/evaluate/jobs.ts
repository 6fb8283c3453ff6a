import { join } from "node:path";
import { writeOutput } from "../../app.ts";
import { jsonOf, type Settings } from "../../cli/settings.ts";
import { numberedPath } from "../../request/outputs.ts";
import type { EvaluationClip } from "./clips.ts";
import type { EvaluateValues, Protocol } from "./protocol.ts";

/** A job of `far batch`: options of generate by name. */
export type JobLine = Settings["options"];

/** A sequence of moves out and back. */
export interface ReturnTrip {
  readonly clip: EvaluationClip;
  readonly action: number;
  readonly inverse: number;
  readonly file: string;
}

/** One move of a clip, generated with one of the actions. */
export interface Probe {
  readonly clip: EvaluationClip;
  /** Frame of the clip that is generated. */
  readonly frame: number;
  readonly action: number;
  readonly file: string;
}

/** Everything to generate for an evaluation, and its files. */
export interface Plan {
  readonly jobs: readonly JobLine[];
  readonly predictions: readonly Prediction[];
  readonly trips: readonly ReturnTrip[];
  readonly probes: readonly Probe[];
}

/** Videos generated for one clip from one seed. */
export interface Prediction {
  readonly clip: EvaluationClip;
  readonly seed: string;
  /** One per trajectory. */
  readonly files: readonly string[];
}

/** Plans what to generate. */
export function planJobs(
  clips: readonly EvaluationClip[],
  protocol: Protocol,
  options: EvaluateValues,
): Plan {
  const common = commonOptions(protocol, options);
  const { context, frames, start, seeds, trajectories } = protocol;
  const jobs: JobLine[] = [];
  const predictions: Prediction[] = [];
  for (const clip of clips) {
    for (const seed of seeds) {
      const output = `made/${clip.id}-${seed}.npz`;
      jobs.push({
        ...common,
        ...clipOptionsOf(clip, context, start),
        ...(clip.label === undefined ? {} : { label: clip.label }),
        ...(clip.moves ? { actions: clip.moves.join(",") } : {}),
        id: `${clip.id}-${seed}`,
        frames,
        seed,
        ...(trajectories > 1 ? { count: trajectories } : {}),
        output: [output],
      });
      const files = Array.from(
        { length: trajectories },
        (_, video) => numberedPath(output, video, trajectories),
      );
      predictions.push({ clip, seed, files });
    }
  }
  const trips = planTrips(clips, protocol, common, jobs);
  const probes = planProbes(clips, protocol, common, jobs);
  return { jobs, predictions, trips, probes };
}

function commonOptions(protocol: Protocol, options: EvaluateValues): JobLine {
  const { model, stride, steps, guidance } = protocol;
  const { solver, flexrope, positions, timesteps, windowCache, dtype, resize, size } = options;
  const contextStride = protocol.context > 0 && stride > 1 ? stride : undefined;
  return jsonOf({
    ...{ model, steps, guidance, solver, flexrope, positions, timesteps, windowCache, dtype },
    ...{ resize, size, contextStride },
  });
}

function clipOptionsOf(clip: EvaluationClip, context: number, start: number): JobLine {
  if (context === 0) return { "context-frames": 0 };
  return { context: clip.path, "context-frames": context, "context-start": start };
}

/** Actions of the generated frames, after those of the context if the clip lacks them. */
function movesText(
  { moves }: EvaluationClip,
  first: number,
  context: number,
  made: string,
): string {
  return moves ? [...moves.slice(first, first + context), made].join(",") : made;
}

function planTrips(
  clips: readonly EvaluationClip[],
  { context, start, seeds, returns, inverses }: Protocol,
  common: JobLine,
  jobs: JobLine[],
): ReturnTrip[] {
  if (returns === undefined) return [];
  return clips.flatMap((clip) =>
    [...inverses].map(([action, inverse]) => {
      const file = `returns/${clip.id}-${action}.npz`;
      jobs.push({
        ...common,
        ...clipOptionsOf(clip, context, start),
        id: `${clip.id}-return-${action}`,
        frames: 2 * returns,
        actions: movesText(clip, 0, context, `${action}*${returns},${inverse}*${returns}`),
        seed: seeds[0]!,
        output: [file],
      });
      return { clip, action, inverse, file };
    })
  );
}

/** Moves spread over the compared frames, each generated with all actions and the same noise. */
function planProbes(
  clips: readonly EvaluationClip[],
  { context, frames, start, stride, seeds, agreement, info }: Protocol,
  common: JobLine,
  jobs: JobLine[],
): Probe[] {
  if (agreement === undefined) return [];
  const moves = Math.min(agreement, frames);
  const probes: Probe[] = [];
  for (const clip of clips) {
    for (let move = 0; move < moves; move++) {
      const offset = Math.floor(move * frames / moves);
      for (let action = 0; action < info.condition.count; action++) {
        const file = `agreement/${clip.id}-${offset}-${action}.npz`;
        jobs.push({
          ...common,
          ...clipOptionsOf(clip, context, start + offset * stride),
          id: `${clip.id}-move-${offset}-${action}`,
          frames: 1,
          actions: movesText(clip, offset, context, String(action)),
          seed: seeds[0]!,
          output: [file],
        });
        probes.push({ clip, frame: context + offset, action, file });
      }
    }
  }
  return probes;
}

/** Writes the manifest that `far batch` runs. @returns its path @throws {MediaError} */
export async function writeManifest(folder: string, jobs: readonly JobLine[]): Promise<string> {
  const path = join(folder, "jobs.jsonl");
  await writeOutput(path, jobs.map((job) => `${JSON.stringify(job)}\n`).join(""));
  return path;
}
