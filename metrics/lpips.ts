/** A convolution of a backbone, by its number among torchvision's `features`. */
export interface Convolution {
  readonly index: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Side of the kernel, distance between its places, and zeros around the picture. */
  readonly size: number;
  readonly stride: number;
  readonly pad: number;
}

/** What follows the stage before: largest values of windows, then convolutions, each with ReLU. */
export interface Stage {
  /** Side of the windows, which begin every second pixel. */
  readonly pool?: number;
  readonly convolutions: readonly Convolution[];
}

/** Networks whose stages LPIPS compares. */
export type Backbone = "alex" | "vgg";

/** Source: torchvision 0.20, `alexnet` and `vgg16`; lpips 0.1.4, `pretrained_networks`. */
export const STAGES: Readonly<Record<Backbone, readonly Stage[]>> = {
  alex: [
    { convolutions: [convolution(0, 3, 64, 11, 4, 2)] },
    { pool: 3, convolutions: [convolution(3, 64, 192, 5)] },
    { pool: 3, convolutions: [convolution(6, 192, 384, 3)] },
    { convolutions: [convolution(8, 384, 256, 3)] },
    { convolutions: [convolution(10, 256, 256, 3)] },
  ],
  vgg: [
    { convolutions: [convolution(0, 3, 64, 3), convolution(2, 64, 64, 3)] },
    { pool: 2, convolutions: [convolution(5, 64, 128, 3), convolution(7, 128, 128, 3)] },
    { pool: 2, convolutions: [10, 12, 14].map((i) => convolution(i, i > 10 ? 256 : 128, 256, 3)) },
    { pool: 2, convolutions: [17, 19, 21].map((i) => convolution(i, i > 17 ? 512 : 256, 512, 3)) },
    { pool: 2, convolutions: [24, 26, 28].map((i) => convolution(i, 512, 512, 3)) },
  ],
};

function convolution(
  index: number,
  inputs: number,
  outputs: number,
  size: number,
  stride = 1,
  pad = (size - 1) / 2,
): Convolution {
  return { index, inputs, outputs, size, stride, pad };
}

/** A backbone with the weights of its channels. */
export interface LpipsNetwork {
  readonly backbone: Backbone;
  /** By the convolution's number: [outputs, size, size, inputs], and [outputs]. */
  readonly weights: ReadonlyMap<
    number,
    { readonly weight: Float32Array; readonly bias: Float32Array }
  >;
  /** Of each stage: how much each of its channels counts. */
  readonly heads: readonly Float32Array[];
}

/** Channels of pixels: [height, width, channels]. */
interface Features {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/** Mean and deviation of each colour, for values from -1 to 1. */
const SHIFT = [-0.030, -0.088, -0.188];
const SCALE = [0.458, 0.448, 0.450];
/** Added to a pixel's length before it is divided by it. */
const EPSILON = 1e-10;

/**
 * How different two pictures look, planar [3, height, width] in [0, 1]: 0 for equal ones. For each
 * stage the mean over pixels of the weighted squared difference of their channels, which are first
 * made vectors of length 1; summed over the stages.
 * Source: Zhang et al. 2018; lpips 0.1.4, version 0.1.
 * @throws {RangeError} pictures too small for the network
 */
export function lpips(
  network: LpipsNetwork,
  a: Float32Array,
  b: Float32Array,
  width: number,
  height: number,
): number {
  let x = scaled(a, width, height);
  let y = scaled(b, width, height);
  let sum = 0;
  for (const [i, stage] of STAGES[network.backbone].entries()) {
    [x, y] = [stageOf(network, stage, x), stageOf(network, stage, y)];
    sum += distance(x, y, network.heads[i]!);
  }
  return sum;
}

function scaled(picture: Float32Array, width: number, height: number): Features {
  const plane = width * height;
  const data = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) {
      data[3 * i + c] = (2 * picture[c * plane + i]! - 1 - SHIFT[c]!) / SCALE[c]!;
    }
  }
  return { width, height, channels: 3, data };
}

function stageOf({ weights }: LpipsNetwork, { pool, convolutions }: Stage, x: Features): Features {
  const begun = pool === undefined ? x : largest(x, pool);
  return convolutions.reduce((x, layer) => convolve(x, layer, weights.get(layer.index)!), begun);
}

/** Largest values of windows that begin every second pixel; what is left over is dropped. */
function largest({ width, height, channels, data }: Features, size: number): Features {
  const [across, down] = [placesOf(width, size, 2), placesOf(height, size, 2)];
  const out = new Float32Array(across * down * channels).fill(-Infinity);
  for (let place = 0; place < across * down; place++) {
    const [left, top] = [2 * (place % across), 2 * Math.floor(place / across)];
    for (let i = 0; i < size ** 2; i++) {
      const from = ((top + Math.floor(i / size)) * width + left + i % size) * channels;
      for (let c = 0; c < channels; c++) {
        const at = place * channels + c;
        out[at] = Math.max(out[at]!, data[from + c]!);
      }
    }
  }
  return { width: across, height: down, channels, data: out };
}

/** @throws {RangeError} not even one */
function placesOf(length: number, size: number, stride: number): number {
  const places = Math.floor((length - size) / stride) + 1;
  if (places > 0) return places;
  throw new RangeError("Cannot measure LPIPS: the pictures are too small for its network");
}

/** Convolution and ReLU, a row of places at a time: each place's patch against all kernels. */
function convolve(
  x: Features,
  { inputs, outputs, size, stride, pad }: Convolution,
  { weight, bias }: { readonly weight: Float32Array; readonly bias: Float32Array },
): Features {
  const across = placesOf(x.width + 2 * pad, size, stride);
  const down = placesOf(x.height + 2 * pad, size, stride);
  const length = size * size * inputs;
  const patches = new Float32Array(across * length);
  const data = new Float32Array(across * down * outputs);
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++) {
      const corner = { left: column * stride - pad, top: row * stride - pad };
      cutPatch(x, corner, size, patches.subarray(column * length, (column + 1) * length));
    }
    multiply(patches, weight, bias, data.subarray(row * across * outputs), across);
  }
  return { width: across, height: down, channels: outputs, data };
}

/** Copies a square of pixels; those outside the picture are 0. */
function cutPatch(
  { width, height, channels, data }: Features,
  { left, top }: Record<"left" | "top", number>,
  size: number,
  to: Float32Array,
): void {
  to.fill(0);
  const [first, last] = [Math.max(0, left), Math.min(width, left + size)];
  for (let y = Math.max(0, top); y < Math.min(height, top + size); y++) {
    const row = data.subarray((y * width + first) * channels, (y * width + last) * channels);
    to.set(row, ((y - top) * size + first - left) * channels);
  }
}

/** max(0, x W^T + b) for x [rows, k] and W [n, k], n a multiple of 4: four sums at a time. */
function multiply(
  x: Float32Array,
  w: Float32Array,
  b: Float32Array,
  to: Float32Array,
  rows: number,
): void {
  const n = b.length;
  const k = w.length / n;
  for (let j = 0; j < n; j += 4) {
    const [w0, w1, w2, w3] = [j * k, (j + 1) * k, (j + 2) * k, (j + 3) * k];
    for (let row = 0; row < rows; row++) {
      let [s0, s1, s2, s3] = [b[j]!, b[j + 1]!, b[j + 2]!, b[j + 3]!];
      const at = row * k;
      for (let i = 0; i < k; i++) {
        const value = x[at + i]!;
        s0 += value * w[w0 + i]!;
        s1 += value * w[w1 + i]!;
        s2 += value * w[w2 + i]!;
        s3 += value * w[w3 + i]!;
      }
      const out = row * n + j;
      to[out] = Math.max(0, s0);
      to[out + 1] = Math.max(0, s1);
      to[out + 2] = Math.max(0, s2);
      to[out + 3] = Math.max(0, s3);
    }
  }
}

function distance(x: Features, y: Features, head: Float32Array): number {
  const { channels } = x;
  const pixels = x.width * x.height;
  let sum = 0;
  for (let pixel = 0; pixel < pixels; pixel++) {
    const at = pixel * channels;
    const [a, b] = [lengthAt(x.data, at, channels), lengthAt(y.data, at, channels)];
    for (let c = 0; c < channels; c++) {
      sum += head[c]! * (x.data[at + c]! / a - y.data[at + c]! / b) ** 2;
    }
  }
  return sum / pixels;
}

function lengthAt(data: Float32Array, at: number, count: number): number {
  let squares = 0;
  for (let i = at; i < at + count; i++) squares += data[i]! ** 2;
  return Math.sqrt(squares) + EPSILON;
}
