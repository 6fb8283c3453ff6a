import { extname } from "node:path";
import { psnrOf } from "../../app.ts";
import { openFrameWriter, toRgb } from "../../mod.ts";
import { UsageError } from "../../cli/errors.ts";
import type { ComparedFrame, PairFacts, Sides } from "./pairs.ts";

/** Frames per second if neither video has its own. */
const FPS = 8;
/** Small videos are enlarged to at least this height. */
const VIEWING_HEIGHT = 256;

/** Refuses invalid output names before anything is read. @throws {UsageError} */
export function checkOutputs(paths: readonly string[], plot: string | undefined): void {
  for (const path of paths) {
    if (path !== "-") continue;
    throw new UsageError("Cannot write to stdout: give --output a file, as in side.mp4");
  }
  if (plot !== undefined && extname(plot).toLowerCase() !== ".svg") {
    throw new UsageError(`Cannot use --plot "${plot}": the name must end in .svg`);
  }
}

/**
 * Writes A | B | difference, side by side, without the first frames of each video. The difference is
 * grey where the two agree, and lighter where B is: 0.5 + (B - A) / 2 in each channel.
 * @throws {MediaError}
 */
export async function writeSide(
  path: string,
  sides: Sides,
  { width, height, ...facts }: Pick<PairFacts, "width" | "height" | "fps">,
  skipped: number,
): Promise<void> {
  const scale = Math.max(1, Math.ceil(VIEWING_HEIGHT / height));
  const size = { width: 3 * width, height };
  await using writer = await openFrameWriter(path, { ...size, fps: facts.fps ?? FPS, scale });
  for await (const { index, a, b } of sides.pairs()) {
    if (index < skipped) continue;
    await writer.write(toRgb({ ...size, data: sideBySide(a, b, width, height) }));
  }
  await writer.close();
}

/** Planar [3, height, 3 width]. */
export function sideBySide(
  a: Float32Array,
  b: Float32Array,
  width: number,
  height: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(9 * width * height);
  for (let row = 0; row < 3 * height; row++) {
    const from = row * width;
    const to = 3 * from;
    out.set(a.subarray(from, from + width), to);
    out.set(b.subarray(from, from + width), to + width);
    for (let x = 0; x < width; x++) {
      out[to + 2 * width + x] = 0.5 + (b[from + x]! - a[from + x]!) / 2;
    }
  }
  return out;
}

/** The measures of each frame as a table for a spreadsheet; equal frames have the PSNR `inf`. */
export function csvOf(frames: readonly ComparedFrame[]): string {
  const rows = frames.map(({ video, a, b, mse, psnr, ssim, lpips = [] }) =>
    [video, a, b, mse, psnr === Infinity ? "inf" : psnr, ssim].concat(lpips).join(",")
  );
  const last = frames[0]?.lpips === undefined ? "" : ",lpips";
  return [`video,frame_a,frame_b,mse,psnr,ssim${last}`, ...rows, ""].join("\n");
}

const PLOT = { width: 640, height: 320, left: 56, right: 56, top: 24, bottom: 40 };

/** A scale of the plot, from `low` at the bottom to `high` at the top. */
interface Axis {
  readonly low: number;
  readonly high: number;
}

/**
 * PSNR and SSIM over the frames as a picture, the mean of all videos: for PSNR that of the mean
 * error, which is finite as long as one pair differs.
 */
export function plotOf(frames: readonly ComparedFrame[]): string {
  const perFrame = [...Map.groupBy(frames, ({ a }) => a)].map(([frame, all]) => ({
    frame,
    psnr: psnrOf(all.reduce((sum, { mse }) => sum + mse, 0) / all.length),
    ssim: all.reduce((sum, { ssim }) => sum + ssim, 0) / all.length,
  }));
  const finite = perFrame.map(({ psnr }) => psnr).filter(Number.isFinite);
  const most = finite.reduce((a, b) => Math.max(a, b), 0);
  const psnr = { low: 0, high: Math.max(10, Math.ceil(most / 10) * 10) };
  const ssim = { low: perFrame.reduce((least, { ssim }) => Math.min(least, ssim), 0), high: 1 };
  const xs = { low: perFrame[0]!.frame, high: Math.max(perFrame.at(-1)!.frame, 1) };
  const { width, height, left, right, top, bottom } = PLOT;
  const line = (key: "psnr" | "ssim", axis: Axis, color: string) => {
    const points = perFrame.filter((point) => Number.isFinite(point[key])).map((point) =>
      `${across(point.frame, xs)},${up(point[key], axis)}`
    );
    return `<polyline fill="none" stroke="${color}" stroke-width="2" points="${
      points.join(" ")
    }"/>`;
  };
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = height - bottom - part * (height - top - bottom);
    const value = (axis: Axis) => round(axis.low + part * (axis.high - axis.low));
    return `<path stroke="#8884" d="M${left} ${y}H${width - right}"/>` +
      `<text x="${left - 6}" y="${y + 4}" text-anchor="end" fill="#0072b2">${value(psnr)}</text>` +
      `<text x="${width - right + 6}" y="${y + 4}" fill="#b35900">${value(ssim)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...marks,
    `<text x="${left}" y="14" fill="#0072b2">PSNR, dB</text>`,
    `<text x="${width - right}" y="14" text-anchor="end" fill="#b35900">SSIM</text>`,
    `<text x="${left}" y="${height - 16}">frame ${xs.low}</text>`,
    `<text x="${width - right}" y="${height - 16}" text-anchor="end">${xs.high}</text>`,
    line("psnr", psnr, "#0072b2"),
    line("ssim", ssim, "#b35900"),
    "</svg>",
    "",
  ].join("\n");
}

function across(value: number, { low, high }: Axis): number {
  const part = high > low ? (value - low) / (high - low) : 0;
  return round(PLOT.left + part * (PLOT.width - PLOT.left - PLOT.right));
}

function up(value: number, { low, high }: Axis): number {
  const part = (value - low) / (high - low);
  return round(PLOT.height - PLOT.bottom - part * (PLOT.height - PLOT.top - PLOT.bottom));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
