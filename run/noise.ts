import { boxMuller16 } from "./box_muller.ts";
import { Mt19937 } from "./mt19937.ts";
import { Philox4x32 } from "./philox.ts";

/** The least count for which PyTorch's CPU generator fills normal numbers in groups of 16. */
const GROUPED_FROM = 16;
/** Threads in a block of PyTorch's CUDA random kernels, and numbers each draws at a time. */
const CUDA_BLOCK = 256;
const CUDA_UNROLL = 4;
/** Beyond this many floats CUDA's kernel would split the tensor for 32-bit addresses. */
const CUDA_LIMIT = 2 ** 29 - 1;
const TWO_PI_PER_WORD = Math.fround(2 * Math.PI * 2 ** -32);

/** State of a generator built on MT19937. */
export interface GeneratorState {
  /** 624 words. */
  readonly words: Uint32Array;
  /** Next word to use, 624 if all are used. */
  readonly index: number;
  /** Unused second number of a pair of normal numbers. */
  readonly cachedNormal: number | undefined;
}

/**
 * PyTorch's CPU generator; every draw continues where the last one ended. `randn` equals
 * `torch.randn(count, generator=...)` in float32 bit for bit, as PyTorch computes it on x86
 * processors with AVX2 (others differ by an ulp or two).
 *
 * Source: PyTorch 2.5.1, aten/src/ATen/native/cpu/DistributionTemplates.h, `normal_kernel`.
 */
export class CpuGenerator {
  readonly #bits: Mt19937;
  /** The second number of a Box-Muller pair, kept for the next draw of fewer than 16 numbers. */
  #kept: number | undefined;

  /** `seed`: as for `torch.manual_seed`, of which this generator uses the low 32 bits. */
  constructor(seed: bigint | number) {
    this.#bits = new Mt19937(splitSeed(seed).low);
  }

  /** @throws {RangeError} when `count` is not a whole number >= 0. */
  randn(count: number): Float32Array<ArrayBuffer> {
    checkCount(count);
    const out = new Float32Array(count);
    if (count < GROUPED_FROM) {
      for (let i = 0; i < count; i++) out[i] = this.#next();
      return out;
    }
    this.#fillUniform(out, 0);
    const grouped = count - (count % 16);
    for (let i = 0; i < grouped; i += 16) boxMuller16(out, i);
    if (grouped < count) {
      // PyTorch draws the last 16 again if they do not fill a group.
      this.#fillUniform(out, count - 16);
      boxMuller16(out, count - 16);
    }
    return out;
  }

  /** Draws as one `torch.rand` call does: multiples of 2^-24 in [0, 1). */
  rand(count: number): Float32Array<ArrayBuffer> {
    checkCount(count);
    const out = new Float32Array(count);
    this.#fillUniform(out, 0);
    return out;
  }

  /** A whole number from `low` up to, not including, `high`, as `torch.randint` draws it. */
  randint(low: number, high: number): number {
    return low + (this.#bits.next() >>> 0) % (high - low);
  }

  /** The state that determines all further draws. */
  get state(): GeneratorState {
    return { ...this.#bits.state, cachedNormal: this.#kept };
  }

  /** Restores a state. @throws {RangeError} it is not a valid state */
  set state({ cachedNormal, ...bits }: GeneratorState) {
    this.#bits.state = bits;
    this.#kept = cachedNormal;
  }

  #fillUniform(out: Float32Array, start: number): void {
    for (let i = start; i < out.length; i++) out[i] = (this.#bits.next() & 0xffffff) * 2 ** -24;
  }

  /** One normal number by Box-Muller in float64, from two uniform numbers of 53 bits. */
  #next(): number {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) return kept;
    const theta = 2 * Math.PI * this.#uniform();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform()));
    this.#kept = radius * Math.sin(theta);
    return radius * Math.cos(theta);
  }

  #uniform(): number {
    const high = this.#bits.next() & 0x1fffff;
    return (high * 2 ** 32 + (this.#bits.next() >>> 0)) * 2 ** -53;
  }
}

/** Properties of a CUDA device that PyTorch's random kernels use. */
export interface CudaDevice {
  readonly multiprocessors: number;
  readonly threadsPerMultiprocessor: number;
}

/**
 * The device that is imitated by default. The order of the numbers depends on it only for draws of
 * more than multiprocessors x threadsPerMultiprocessor: 270336, 132 frames of 32 x 8 x 8.
 */
const H100: CudaDevice = { multiprocessors: 132, threadsPerMultiprocessor: 2048 };

/**
 * PyTorch's CUDA generator; every draw continues where the last one ended. `randn` equals
 * `torch.randn(count, device="cuda", generator=...)` in float32 up to 1e-6 (the device's own sine
 * and cosine are approximate).
 *
 * Source: PyTorch 2.5.1, aten/src/ATen/native/cuda/DistributionTemplates.h,
 * `calc_execution_policy` and `distribution_elementwise_grid_stride_kernel`.
 */
export class CudaGenerator {
  readonly #philox: Philox4x32;
  readonly #maxBlocks: number;
  /** Counter blocks used by earlier draws, the same for every thread. */
  #used = 0;

  /** `seed`: 64 bits, as for `torch.manual_seed`; `device`: the one to imitate (an H100). */
  constructor(seed: bigint | number, device: CudaDevice = H100) {
    const { low, high } = splitSeed(seed);
    this.#philox = new Philox4x32(low, high);
    const { multiprocessors, threadsPerMultiprocessor } = device;
    this.#maxBlocks = multiprocessors * Math.floor(threadsPerMultiprocessor / CUDA_BLOCK);
  }

  /** @throws {RangeError} when `count` is not a whole number from 0 to 2^29 - 1. */
  randn(count: number): Float32Array<ArrayBuffer> {
    checkCount(count);
    if (count > CUDA_LIMIT) {
      throw new RangeError(`Cannot draw ${count} numbers at once: the limit is ${CUDA_LIMIT}`);
    }
    const out = new Float32Array(count);
    // Thread t of the grid writes elements t, t + threads, t + 2 threads ..., four per block of
    // bits.
    const threads = CUDA_BLOCK * Math.min(Math.ceil(count / CUDA_BLOCK), this.#maxBlocks);
    const words = new Uint32Array(4);
    let used = this.#used;
    for (let start = 0; start < count; start += CUDA_UNROLL * threads) {
      const end = Math.min(threads, count - start);
      for (let thread = 0; thread < end; thread++) {
        this.#philox.block(used, 0, thread, 0, words);
        writeNormalPair(out, start + thread, threads, words[0]!, words[1]!);
        writeNormalPair(out, start + thread + 2 * threads, threads, words[2]!, words[3]!);
      }
      used++;
    }
    this.#used = used;
    return out;
  }
}

/** Box-Muller as cuRAND does it: sine at `index`, cosine at `index + stride`, if these exist. */
function writeNormalPair(
  out: Float32Array,
  index: number,
  stride: number,
  first: number,
  second: number,
): void {
  if (index >= out.length) return;
  const fround = Math.fround;
  const u = fround(fround(first) * 2 ** -32 + 2 ** -33);
  const angle = fround(fround(second) * TWO_PI_PER_WORD + TWO_PI_PER_WORD / 2);
  const radius = fround(Math.sqrt(-2 * fround(Math.log(u))));
  out[index] = radius * fround(Math.sin(angle));
  if (index + stride < out.length) out[index + stride] = radius * fround(Math.cos(angle));
}

/** The two 32-bit words of a seed; negative seeds wrap, as in `torch.manual_seed`. */
function splitSeed(seed: bigint | number): { low: number; high: number } {
  const whole = typeof seed === "bigint" || Number.isSafeInteger(seed);
  if (!whole || seed < -(2n ** 63n) || seed >= 2n ** 64n) {
    throw new RangeError(
      `Cannot seed with ${seed}: a seed is a whole number from -2^63 to 2^64 - 1` +
        " (a bigint beyond 2^53)",
    );
  }
  const bits = BigInt.asUintN(64, BigInt(seed));
  return { low: Number(bits & 0xffffffffn), high: Number(bits >> 32n) };
}

function checkCount(count: number): void {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new RangeError(`Cannot draw ${count} numbers: the count must be a whole number >= 0`);
  }
}
