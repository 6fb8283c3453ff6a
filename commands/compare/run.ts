import { extname } from "node:path";
import {
  lpips,
  type LpipsNetwork,
  openLpips,
  type Overall,
  overall,
  similarity,
  writeOutput,
} from "../../app.ts";
import { orAborted } from "../../cli/abort.ts";
import type { Call } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import type { COMPARE_OPTIONS } from "./spec.ts";
import { keepOutputs } from "../../request/existing_outputs.ts";
import { count } from "../../request/report.ts";
import { checkOutputs, csvOf, plotOf, writeSide } from "./outputs.ts";
import {
  type Compared,
  type ComparedFrame,
  givenFrames,
  heldSides,
  type PairFacts,
  parseOffset,
  type Sides,
  streamedSides,
} from "./pairs.ts";
import { readSource, streamSource } from "../../request/sources.ts";

/** A call of `far compare`. */
type CompareCall = Call<typeof COMPARE_OPTIONS>;

/** `far compare A B`: measures how similar two videos are, frame by frame. */
export async function run(call: CompareCall): Promise<void> {
  const { options, operands, terminal } = call;
  const [pathA, pathB] = operands as [string, string];
  const { output = [], plot } = options;
  checkOutputs(output, plot);
  await keepOutputs(plot === undefined ? output : [...output, plot], options);
  const network = options.lpips && await openLpips(options.lpips);
  const { sides, first } = await openSides(pathA, pathB, call);
  const compared = await compareAll(sides, first, call, network);
  const { facts } = compared;
  const given = await givenToLeaveOut(pathA, pathB, facts.frames, call);
  const frames = compared.frames.filter(({ a, b }) => Math.min(a, b) >= given);
  const mean = withLpips(overall(frames), frames);
  for (const path of output) {
    const csv = extname(path).toLowerCase() === ".csv";
    await (csv ? writeOutput(path, csvOf(frames)) : writeSide(path, sides, facts, given));
  }
  if (plot) await writeOutput(plot, plotOf(frames));
  const warnings = [
    ...facts.warnings,
    ...lossyWarnings(facts.lossy[0], pathA),
    ...lossyWarnings(facts.lossy[1], pathB),
  ];
  if (!options.quiet) { for (const warning of warnings) terminal.note(`warning: ${warning}`); }
  if (!options.json) return await terminal.print(table(frames, mean));
  const result = {
    a: pathA,
    b: pathB,
    videos: facts.videos,
    width: facts.width,
    height: facts.height,
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
  readonly sides: Sides;
  readonly first: readonly [number, number];
}

/**
 * Videos are read as they are compared; tensors, which may hold several videos, are read whole, and
 * so is what cannot be read again for a picture.
 * @throws {UsageError | MediaError | CheckpointError} a source that cannot be read or compared
 */
async function openSides(
  pathA: string,
  pathB: string,
  { options, signal }: CompareCall,
): Promise<Pair> {
  const { start, stride, frames: most, size, resize } = options;
  if (pathA === "-" && pathB === "-") throw new UsageError("Only one of the videos can be stdin");
  if (resize && !size) throw new UsageError("Cannot use --resize: give --size too");
  const offset = options.offset === undefined ? undefined : parseOffset(options.offset);
  if (offset && start !== undefined) throw new UsageError("Cannot use --offset and --start both");
  const fit = size && { ...size, resize, multiple: 1, always: true };
  const first = offset ?? [start ?? 0, start ?? 0] as const;
  const optionsOf = (start: number) => ({ start, stride, count: most, fit });
  const paths = [pathA, pathB];
  const isHeld = paths.some((path) => /\.safetensors$/i.test(path)) ||
    (paths.includes("-") && options.output?.some((path) => !/\.csv$/i.test(path)));
  if (!isHeld) {
    const open = (side: "a" | "b") =>
      side === "a"
        ? streamSource(pathA, optionsOf(first[0]))
        : streamSource(pathB, optionsOf(first[1]));
    return { sides: streamedSides(open), first };
  }
  const a = await orAborted(readSource(pathA, optionsOf(first[0])), signal);
  const b = await orAborted(readSource(pathB, optionsOf(first[1])), signal);
  return { sides: heldSides(a, b), first };
}

/** Compares every pair as it is read. */
async function compareAll(
  sides: Sides,
  first: readonly [number, number],
  { options: { stride = 1 }, signal }: CompareCall,
  network: LpipsNetwork | undefined,
): Promise<{ frames: ComparedFrame[]; facts: PairFacts }> {
  const frames: ComparedFrame[] = [];
  const pairs = sides.pairs();
  try {
    while (true) {
      const { value, done } = await orAborted(pairs.next(), signal);
      if (done) return { frames, facts: value };
      const { width, height, index, video, a, b } = value;
      const numbers = { video, a: first[0] + index * stride, b: first[1] + index * stride };
      frames.push({
        ...numbers,
        ...similarity(a, b, width, height),
        ...(network && { lpips: lpips(network, a, b, width, height) }),
      });
    }
  } finally {
    if (!signal.aborted) await pairs.return(undefined as never);
  }
}

/**
 * Frames at the beginning that were given to the model, in files of far's own; frames that the user
 * has picked are meant.
 * @throws {UsageError} none are left
 */
async function givenToLeaveOut(
  pathA: string,
  pathB: string,
  frames: number,
  { options, terminal }: CompareCall,
): Promise<number> {
  const { offset, start, stride, frames: most } = options;
  const picked = [offset, start, stride, most].some((option) => option !== undefined);
  if (picked || options.given) return 0;
  const [a, b] = [await givenFrames(pathA, frames), await givenFrames(pathB, frames)];
  const given = Math.max(a, b);
  if (given >= frames) {
    throw new UsageError(
      `Cannot compare "${
        a >= frames ? pathA : pathB
      }": all of its ${frames} frames were given to ` +
        "the model; use --given to compare them",
    );
  }
  if (given > 0 && !options.quiet) {
    terminal.note(
      `${count(given, "frame")} given to the model left out; use --given to include them`,
    );
  }
  return given;
}

function lossyWarnings(lossy: boolean, path: string): string[] {
  if (!lossy) return [];
  return [
    `"${path}" is lossy video, which changes these numbers: compare .npz or .safetensors`,
  ];
}

/** The means, with that of LPIPS if it was measured. */
function withLpips(mean: Overall, frames: readonly ComparedFrame[]): Overall & Compared {
  const all = frames.flatMap(({ lpips = [] }) => lpips);
  if (all.length === 0) return mean;
  return { ...mean, lpips: all.reduce((a, b) => a + b, 0) / all.length };
}

/** JSON has no infinity: the PSNR of equal pictures is null. */
function finite<T extends object>(values: T): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
  );
}

function table(frames: readonly ComparedFrame[], mean: Overall & Compared): string {
  const many = frames.some(({ video }) => video > 0);
  const rows = frames.map((frame) => {
    const number = frame.a === frame.b ? `${frame.a}` : `${frame.a},${frame.b}`;
    return row(many ? `${frame.video}/${number}` : number, frame);
  });
  const head = ["frame".padStart(7), "mse".padStart(12), "psnr".padStart(9), "ssim".padStart(8)];
  if (mean.lpips !== undefined) head.push("lpips".padStart(8));
  const whole = mean.mse === 0
    ? "all pixels are equal"
    : `over all pixels: ${decibels(mean.psnrOfMse)} dB`;
  const means = Number.isFinite(mean.psnr) ? [row("mean", mean)] : [];
  return [head.join(" "), ...rows, ...means, whole, ""].join("\n");
}

function row(name: string, { mse, psnr, ssim, lpips }: Compared): string {
  return [
    name.padStart(7),
    mse.toExponential(4).padStart(12),
    decibels(psnr).padStart(9),
    ssim.toFixed(4).padStart(8),
    ...(lpips === undefined ? [] : [lpips.toFixed(4).padStart(8)]),
  ].join(" ");
}

function decibels(psnr: number): string {
  return Number.isFinite(psnr) ? psnr.toFixed(4) : "inf";
}
