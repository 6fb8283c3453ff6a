import { extname } from "node:path";
import { type Overall, overall, type Similarity, similarity } from "../../app.ts";
import { orAborted } from "../../cli/abort.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import type { COMPARE_OPTIONS } from "./spec.ts";
import { keepOutputs } from "../../request/existing_outputs.ts";
import { count } from "../../request/report.ts";
import { checkOutputs, csvOf, plotOf, writeSide, writeText } from "./outputs.ts";
import { type ComparedFrame, givenFrames, parseOffset, picture, withoutFirst } from "./pairs.ts";
import { readSource, type Source } from "../../request/sources.ts";

/** `far compare A B`: measures how similar two videos are, frame by frame. */
export async function run(call: Call<typeof COMPARE_OPTIONS>): Promise<void> {
  const { options, operands, terminal } = call;
  const [pathA, pathB] = operands as [string, string];
  const { output = [], plot } = options;
  checkOutputs(output, plot);
  await keepOutputs(plot === undefined ? output : [...output, plot], options);
  const { a, b, first } = await readPair(pathA, pathB, call);
  checkAlike(a, b);
  const frames = compareFrames(a, b, first, options.stride ?? 1);
  const mean = overall(frames);
  for (const path of output) {
    const csv = extname(path).toLowerCase() === ".csv";
    await (csv ? writeText(path, csvOf(frames)) : writeSide(path, a, b));
  }
  if (plot) await writeText(plot, plotOf(frames));
  const warnings = [
    ...a.warnings,
    ...b.warnings,
    ...lossyWarnings(a, pathA),
    ...lossyWarnings(b, pathB),
  ];
  if (!options.quiet) { for (const warning of warnings) terminal.note(`warning: ${warning}`); }
  if (!options.json) return await terminal.print(table(frames, mean));
  const result = {
    a: pathA,
    b: pathB,
    videos: Math.max(a.videos, b.videos),
    width: a.width,
    height: a.height,
    frames: frames.map(({ video, a, b, ...numbers }) => ({
      video,
      frame: a,
      frame_b: b,
      ...finite(numbers),
    })),
    overall: finite(mean),
    warnings,
  };
  await terminal.print(`${JSON.stringify(result, null, 2)}\n`);
}

/** Both sources, and their first frames to compare. */
interface Pair {
  readonly a: Source;
  readonly b: Source;
  readonly first: readonly [number, number];
}

/** @throws {UsageError | MediaError | CheckpointError} a source that cannot be read or compared */
async function readPair(
  pathA: string,
  pathB: string,
  { options, signal, terminal }: Call<typeof COMPARE_OPTIONS>,
): Promise<Pair> {
  const { start, stride, frames: most, size, resize } = options;
  if (pathA === "-" && pathB === "-") throw new UsageError("Only one of the videos can be stdin");
  if (resize && !size) throw new UsageError("Cannot use --resize: give --size too");
  const offset = options.offset === undefined ? undefined : parseOffset(options.offset);
  if (offset && start !== undefined) throw new UsageError("Cannot use --offset and --start both");
  const fit = size && { ...size, resize, multiple: 1, always: true };
  const read = (path: string, start?: number) =>
    orAborted(readSource(path, { start, stride, count: most, fit }), signal);
  const first = offset ?? [start ?? 0, start ?? 0];
  const [a, b] = [await read(pathA, first[0]), await read(pathB, first[1])];
  // explicitly picked frames are compared
  const picked = offset || start !== undefined || stride !== undefined || most !== undefined;
  if (picked || options.given || a.frames !== b.frames) return { a, b, first };
  const [givenA, givenB] = [await givenFrames(pathA, a.frames), await givenFrames(pathB, b.frames)];
  const given = Math.max(givenA, givenB);
  if (given > 0 && !options.quiet) {
    terminal.note(
      `${count(given, "frame")} given to the model left out; use --given to include them`,
    );
  }
  return {
    a: withoutFirst(a, given, pathA),
    b: withoutFirst(b, given, pathB),
    first: [given, given],
  };
}

function lossyWarnings({ lossy }: Source, path: string): string[] {
  if (!lossy) return [];
  return [
    `"${path}" is lossy video, which changes these numbers: compare .npz or .safetensors`,
  ];
}

/**
 * One video may be compared with several, such as a clip with all its continuations.
 * @throws {UsageError} other sizes or lengths
 */
function checkAlike(a: Source, b: Source): void {
  if (a.width !== b.width || a.height !== b.height) {
    throw new UsageError(
      `Cannot compare ${a.width}x${a.height} with ${b.width}x${b.height}: sizes must be equal; ` +
        "give a common --size",
    );
  }
  const paired = a.videos === b.videos || a.videos === 1 || b.videos === 1;
  if (!paired || a.frames !== b.frames) {
    throw new UsageError(
      `Cannot compare ${lengthText(a)} with ${
        lengthText(b)
      }: use --frames to compare as many of each`,
    );
  }
}

function lengthText({ videos, frames }: Source): string {
  return (videos > 1 ? `${videos} videos of ` : "") + count(frames, "frame");
}

/** Compares all videos, one after the other. @param first numbers of the first frames of A and B */
function compareFrames(
  a: Source,
  b: Source,
  first: readonly [number, number],
  stride: number,
): ComparedFrame[] {
  const videos = Math.max(a.videos, b.videos);
  return Array.from({ length: videos * a.frames }, (_, i) => {
    const frame = i % a.frames * stride;
    return {
      video: Math.floor(i / a.frames),
      a: first[0] + frame,
      b: first[1] + frame,
      ...similarity(picture(a, i), picture(b, i), a.width, a.height),
    };
  });
}

/** JSON has no infinity: the PSNR of equal pictures is null. */
function finite<T extends object>(values: T): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
  );
}

function table(frames: readonly ComparedFrame[], mean: Overall): string {
  const many = frames.some(({ video }) => video > 0);
  const rows = frames.map((frame) => {
    const number = frame.a === frame.b ? `${frame.a}` : `${frame.a},${frame.b}`;
    return row(many ? `${frame.video}/${number}` : number, frame);
  });
  const head = ["frame".padStart(7), "mse".padStart(12), "psnr".padStart(9), "ssim".padStart(8)];
  const whole = mean.mse === 0
    ? "all pixels are equal"
    : `over all pixels: ${decibels(mean.psnrOfMse)} dB`;
  const means = Number.isFinite(mean.psnr) ? [row("mean", mean)] : [];
  return [head.join(" "), ...rows, ...means, whole, ""].join("\n");
}

function row(name: string, { mse, psnr, ssim }: Similarity): string {
  return [
    name.padStart(7),
    mse.toExponential(4).padStart(12),
    decibels(psnr).padStart(9),
    ssim.toFixed(4).padStart(8),
  ].join(" ");
}

function decibels(psnr: number): string {
  return Number.isFinite(psnr) ? psnr.toFixed(4) : "inf";
}
