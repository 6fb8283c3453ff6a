import code from "./conv2d_gradient.wgsl" with { type: "text" };
import broadcastCode from "./conv2d_gradient_broadcast.wgsl" with { type: "text" };
import sumsCode from "./filter_sums.wgsl" with { type: "text" };
import { ShapeError } from "../gpu/errors.ts";
import type { Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import type { DeviceProfile } from "../gpu/tuning.ts";
import type { Place } from "./column_sums.ts";
import { joinKernel } from "./fragments.ts";
import { eachLane } from "./lanes.ts";
import { imageForm, inImage, memoryForms } from "./memory_forms.ts";

const GRADIENT = joinKernel("conv2d_gradient", code);
const BROADCAST = imageForm(joinKernel("conv2d_gradient_broadcast", broadcastCode), [
  "x",
  "dy",
  "partial",
]);
const FILTER_SUMS = memoryForms("filter_sums", sumsCode, ["partial"]);

/** Rows and columns of a workgroup's tile on GPUs. */
const TILE = 64;
/** The same on CPUs: columns, of all taps, and choices of rows. */
const COLUMNS = 32;
const ROWS = [16, 32] as const;
/** Workgroups that keep a device busy; pixels are not divided further. */
const BUSY = { cpu: 16, gpu: 512 };
/** Most bytes for the sums of chunks. */
const MOST_PARTIAL = 2 ** 25;

/** A convolution's weight [n, inputs, taps], and which channels of dy belong to it. */
export interface Conv2dGradientOptions {
  readonly n: number;
  readonly inputs: number;
  /** Taps along an axis. */
  readonly size: number;
  /** First channel of dy (0), a multiple of 4. */
  readonly offset?: number;
}

/**
 * target += gradient of a convolution's weight, stride 1 and padded with zeros: products summed over
 * pixels in two passes of a fixed order.
 * @param x its input [B, H, W, inputs padded to 4]
 * @param dy gradient of its output [B, H, W, channels], in an image if x lies in one
 * @throws {ShapeError}
 */
export function conv2dGradient(
  p: Program,
  x: Tensor,
  dy: Tensor,
  target: Place,
  options: Conv2dGradientOptions,
): void {
  const k = x.shape.at(-1)!;
  const { n, inputs, size: taps, offset = 0 } = options;
  const [b, height, width] = picturesOf(x, taps);
  const [rows, stride] = [Math.ceil(n / 4) * 4, dy.shape.at(-1)!];
  const same = String(x.shape.slice(0, 3)) === String(dy.shape.slice(0, 3));
  if (!same || k % 4 || inputs > k || offset % 4 || offset + rows > stride) {
    throw new ShapeError(
      `Cannot find the gradient [${n}, ${inputs}] of [${x.shape}], [${dy.shape}]`,
    );
  }
  const broadcast = inImage(x);
  const tile = broadcast ? ROWS.find((most) => n <= most) ?? 32 : TILE;
  const tiles = Math.ceil(n / tile);
  const [across, down] = broadcast
    ? [1, Math.ceil(taps ** 2 * k / COLUMNS)]
    : [Math.ceil(k / TILE), taps ** 2];
  const bytes = 4 * taps ** 2 * rows * k;
  const chunk = chunkRows(p.device, b * height, tiles * across * down, bytes);
  const chunks = Math.ceil(b * height / chunk);
  p.scope(() => {
    const partial = p.like(x, [chunks, taps ** 2, rows, k]);
    p.dispatch({
      kernel: broadcast ? BROADCAST : GRADIENT,
      label: "filter gradient",
      constants: { SIZE: taps, ...(broadcast && { ROWS: tile }) },
      params: {
        ...{ rows: b * height, height, width, chunk, tiles },
        ...{ n4: rows / 4, k4: k / 4, stride: stride / 4, first: offset / 4 },
      },
      buffers: { dy, x, partial },
      groups: [tiles * across, down, chunks],
    });
    filterSums(p, partial, { n, inputs }, target);
  });
}

/** Pictures, rows and columns. Where no neighbour counts, a row is best as long as a picture. */
function picturesOf({ shape, buffer }: Tensor, taps: number): readonly [number, number, number] {
  const [b, height, width] = shape as [number, number, number];
  return taps === 1 && buffer.kind === "texture" ? [b, 1, height * width] : [b, height, width];
}

/** target += sums over chunks of partial [chunks, taps, rows, columns], as [n, inputs, taps]. */
export function filterSums(
  p: Program,
  partial: Tensor,
  { n, inputs }: { readonly n: number; readonly inputs: number },
  { tensor, first }: Place,
): void {
  const [chunks, taps, rows, columns] = partial.shape as [number, number, number, number];
  const count = taps * n * columns / 4;
  eachLane(p, FILTER_SUMS, count, {
    params: { n, rows, inputs, columns, taps, chunks, first },
    buffers: { partial, y: tensor },
  });
}

/** Image rows of a chunk: enough chunks to keep the device busy, within the memory for their sums. */
function chunkRows(device: DeviceProfile, rows: number, tiles: number, bytes: number): number {
  const wanted = Math.ceil((device.cpu ? BUSY.cpu : BUSY.gpu) / tiles);
  const most = Math.max(1, Math.floor(MOST_PARTIAL / bytes));
  return Math.ceil(rows / Math.max(1, Math.min(wanted, most, rows)));
}
