import { orAborted } from "../../cli/abort.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import type { COMPARE_OPTIONS } from "./spec.ts";
import { count } from "../../request/report.ts";
import { type Overall, overall, type Similarity, similarity } from "./similarity.ts";
import { readSource, type Source } from "../../request/sources.ts";

/** `far compare A B`: how near one video is to another, frame by frame. */
export async function run(call: Call<typeof COMPARE_OPTIONS>): Promise<void> {
  const { options, operands, terminal, signal } = call;
  const [pathA, pathB] = operands as [string, string];
  const { start, stride, frames: count, size, resize } = options;
  if (pathA === "-" && pathB === "-") throw new UsageError("Only one of the videos can be stdin");
  if (resize && !size) throw new UsageError("Cannot use --resize: give --size too");
  const fit = size && { ...size, resize, multiple: 1, always: true };
  const read = (path: string) => orAborted(readSource(path, { start, stride, count, fit }), signal);
  const [a, b] = [await read(pathA), await read(pathB)];
  checkAlike(a, b);
  const warnings = [...a.warnings, ...b.warnings];
  for (const [source, path] of [[a, pathA], [b, pathB]] as const) {
    if (!source.lossy) continue;
    warnings.push(
      `"${path}" went through lossy video, which moves these numbers: compare .npz or .safetensors`,
    );
  }
  const frames = compareFrames(a, b);
  const mean = overall(frames);
  if (!options.quiet) { for (const warning of warnings) terminal.note(`warning: ${warning}`); }
  if (!options.json) return await terminal.print(table(frames, a.frames, mean));
  await terminal.print(`${
    JSON.stringify(
      {
        a: pathA,
        b: pathB,
        videos: frames.length / a.frames,
        width: a.width,
        height: a.height,
        frames: frames.map((frame, i) => ({
          video: Math.floor(i / a.frames),
          frame: i % a.frames,
          ...finite(frame),
        })),
        overall: finite(mean),
        warnings,
      },
      null,
      2,
    )
  }\n`);
}

/**
 * One video may stand against several, as a clip does against all that was made of its beginning.
 * @throws {UsageError} other sizes or lengths
 */
function checkAlike(a: Source, b: Source): void {
  if (a.width !== b.width || a.height !== b.height) {
    throw new UsageError(
      `Cannot compare ${a.width}x${a.height} with ${b.width}x${b.height}: sizes must be equal; ` +
        "give the --size that both are to have",
    );
  }
  const paired = a.videos === b.videos || a.videos === 1 || b.videos === 1;
  if (!paired || a.frames !== b.frames) {
    throw new UsageError(
      `Cannot compare ${lengthText(a)} with ${lengthText(b)}: pick as many of both with --frames`,
    );
  }
}

function lengthText({ videos, frames }: Source): string {
  return (videos > 1 ? `${videos} videos of ` : "") + count(frames, "frame");
}

/** Of all videos, one after the other. */
function compareFrames(a: Source, b: Source): Similarity[] {
  const videos = Math.max(a.videos, b.videos);
  return Array.from({ length: videos * a.frames }, (_, i) => {
    const [x, y] = [a, b].map((source) => picture(source, i % (source.videos * source.frames)));
    return similarity(x!, y!, a.width, a.height);
  });
}

function picture({ data, width, height }: Source, index: number): Float32Array {
  const size = 3 * width * height;
  return data.subarray(index * size, (index + 1) * size);
}

/** JSON has no infinity: the PSNR of equal pictures is null. */
function finite<T extends object>(values: T): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
  );
}

/** @param each frames of one video */
function table(frames: readonly Similarity[], each: number, mean: Overall): string {
  const rows = frames.map((frame, i) => {
    const name = frames.length > each ? `${Math.floor(i / each)}/${i % each}` : String(i);
    return row(name, frame);
  });
  const head = ["frame".padStart(7), "mse".padStart(12), "psnr".padStart(9), "ssim".padStart(8)];
  const whole = `PSNR of the whole error ${decibels(mean.psnrOfMse)} dB; "mean" is of the frames`;
  return [head.join(" "), ...rows, row("mean", mean), whole, ""].join("\n");
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
