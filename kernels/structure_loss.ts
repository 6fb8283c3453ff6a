import acrossCode from "./ssim_across.wgsl" with { type: "text" };
import halveCode from "./halve.wgsl" with { type: "text" };
import halveBackwardCode from "./halve_backward.wgsl" with { type: "text" };
import meansCode from "./ssim_means.wgsl" with { type: "text" };
import productCode from "./ssim_product.wgsl" with { type: "text" };
import spreadAcrossCode from "./ssim_spread_across.wgsl" with { type: "text" };
import spreadDownCode from "./ssim_spread_down.wgsl" with { type: "text" };
import windowsCode from "./ssim_windows.wgsl" with { type: "text" };
import { defineKernel } from "../gpu/kernel.ts";
import { size, type Tensor } from "../gpu/memory.ts";
import type { Program } from "../gpu/program.ts";
import { joinKernel } from "./fragments.ts";
import { clear } from "./clear.ts";
import { eachLane } from "./lanes.ts";
import { memoryForms } from "./memory_forms.ts";
import { type Slot, total } from "./total.ts";

const ACROSS = memoryForms("ssim_across", acrossCode, ["x", "y", "maps"]);
const WINDOWS = memoryForms("ssim_windows", windowsCode, ["maps", "slopes"]);
const MEANS = defineKernel("ssim_means", meansCode);
const PRODUCT = defineKernel("ssim_product", productCode);
const SPREAD_DOWN = memoryForms("ssim_spread_down", spreadDownCode, ["slopes", "spread"]);
const SPREAD_ACROSS = memoryForms("ssim_spread_across", spreadAcrossCode, ["x", "y", "spread"]);
const HALVE = memoryForms("halve", halveCode, ["x", "y"]);
const HALVE_BACKWARD = joinKernel("halve_backward", halveBackwardCode);

/** Side of a window, in pixels. */
const TAPS = 11;
/** Weights of the scales, from the finest on. Source: Wang, Simoncelli and Bovik 2003. */
const POWERS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const CHANNELS = 3;

/** Pictures at a scale, with the gradient of the second ones. */
interface Scale {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly dy: Tensor;
  /** [B, H', W', 3, 4]. */
  readonly slopes: Tensor;
  /** Windows along an axis, H' and W'. */
  readonly windows: readonly [number, number];
  /** Added to pictures, so that they begin at 0. */
  readonly offset: number;
}

/** Scales at which a window has room to move; 0 if it does not fit. */
export function structureScales(height: number, width: number): number {
  const side = Math.min(height, width);
  if (side < TAPS) return 0;
  let scales = 1;
  while (scales < POWERS.length && side > (TAPS - 1) * 2 ** scales) scales++;
  return scales;
}

/**
 * results[slot] += weight (1 - MS-SSIM) of y [B, H, W, 4] against x, both from -1 to 1, and its
 * gradient added to dy: the mean over pictures and colours, with as many of the usual scales as the
 * size allows. Pictures smaller than a window of 11 x 11 add nothing. x and y may lie in images.
 * @param options weight, and number of pictures over which the mean is taken, if these are only
 * some Source: pytorch-msssim, `ms_ssim`.
 */
export function structureLoss(
  p: Program,
  { x, y, dy }: Readonly<Record<"x" | "y" | "dy", Tensor>>,
  options: { readonly weight: number; readonly pictures: number },
  slot: Slot,
): void {
  const [pictures, height, width] = y.shape as [number, number, number];
  const count = structureScales(height, width);
  if (count === 0 || options.weight === 0) return;
  p.scope(() => {
    const means = p.scratch([count, pictures, 4]);
    const scales: Scale[] = [];
    for (let i = 0; i < count; i++) {
      const scale = i === 0 ? { x, y, dy, offset: 1 } : halved(p, scales.at(-1)!);
      scales.push({ ...scale, ...compare(p, scale, means, { scale: i, whole: i === count - 1 }) });
    }
    const partial = p.scratch([pictures]);
    const weight = options.weight / (CHANNELS * options.pictures);
    multiply(p, scales, { means, partial }, weight);
    total(p, partial, pictures, slot);
    for (let i = count - 1; i >= 0; i--) {
      spread(p, scales[i]!, means, i * pictures);
      if (i > 0) leadBack(p, scales[i]!.dy, scales[i - 1]!.dy);
    }
  });
}

/** Compares windows and averages them. */
function compare(
  p: Program,
  { x, y, offset }: Pick<Scale, "x" | "y" | "offset">,
  means: Tensor,
  { scale, whole }: { readonly scale: number; readonly whole: boolean },
): Pick<Scale, "slopes" | "windows"> {
  const [pictures, height, width] = y.shape as [number, number, number];
  const windows = [height - TAPS + 1, width - TAPS + 1] as const;
  const slopes = p.like(y, [pictures, ...windows, 3, 4]);
  p.scope(() => {
    const maps = p.like(y, [pictures, height, windows[1], 5, 4]);
    const parts = p.scratch([pictures, ...windows, 4]);
    const places = pictures * height * windows[1];
    eachLane(p, ACROSS, places, {
      params: { width, windows: windows[1], offset },
      buffers: { x, y, maps },
    });
    const count = pictures * windows[0] * windows[1];
    eachLane(p, WINDOWS, count, {
      constants: { WHOLE: Number(whole) },
      params: { height, windows: windows[1] },
      buffers: { maps, parts, slopes },
    });
    p.dispatch({
      kernel: MEANS,
      params: { windows: windows[0] * windows[1], first: scale * pictures },
      buffers: { parts, means },
      groups: [pictures, 1, 1],
    });
  });
  return { slopes, windows };
}

/** Pictures of half the size, and their gradient, zero. */
function halved(p: Program, { x, y, offset }: Scale): Pick<Scale, "x" | "y" | "dy" | "offset"> {
  const [pictures, height, width] = y.shape as [number, number, number];
  const shape = [pictures, Math.ceil(height / 2), Math.ceil(width / 2), 4];
  const half = (tensor: Tensor) => {
    const to = p.like(tensor, shape);
    const count = size(shape) / 4;
    eachLane(p, HALVE, count, { params: { height, width, offset }, buffers: { x: tensor, y: to } });
    return to;
  };
  const dy = p.scratch(shape);
  clear(p, dy, 0, size(shape));
  return { x: half(x), y: half(y), dy, offset: 0 };
}

/** The product over scales; means become slopes. */
function multiply(
  p: Program,
  scales: readonly Scale[],
  buffers: Readonly<Record<"means" | "partial", Tensor>>,
  weight: number,
): void {
  const pictures = buffers.partial.shape[0]!;
  const whole = POWERS.slice(0, scales.length).reduce((a, b) => a + b, 0);
  const numbers = POWERS.flatMap((power, i): [string, number][] => [
    [`power${i}`, power / whole],
    [`windows${i}`, (scales[i]?.windows ?? [1, 1]).reduce((a, b) => a * b)],
  ]);
  p.dispatch({
    kernel: PRODUCT,
    params: { pictures, scales: scales.length, weight, ...Object.fromEntries(numbers) },
    buffers,
    groups: [Math.ceil(pictures / 64), 1, 1],
  });
}

/** Propagates the slopes of windows back to pixels. */
function spread(p: Program, scale: Scale, scales: Tensor, first: number): void {
  const { x, y, dy, slopes, windows, offset } = scale;
  const [pictures, height, width] = y.shape as [number, number, number];
  p.scope(() => {
    const down = p.like(y, [pictures, height, windows[1], 3, 4]);
    const places = pictures * height * windows[1];
    eachLane(p, SPREAD_DOWN, places, {
      params: { height, windows: windows[1], first },
      buffers: { slopes, scales, spread: down },
    });
    const count = pictures * height * width;
    eachLane(p, SPREAD_ACROSS, count, {
      params: { width, windows: windows[1], offset },
      buffers: { x, y, spread: down, dy },
    });
  });
}

function leadBack(p: Program, dy: Tensor, dx: Tensor): void {
  const [, height, width] = dx.shape as [number, number, number];
  const count = size(dx.shape) / 4;
  eachLane(p, HALVE_BACKWARD, count, { params: { height, width }, buffers: { dy, dx } });
}
