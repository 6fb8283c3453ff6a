import { Mt19937 } from "../../run/mt19937.ts";

/** Which clip comes next, and where its window begins. */
export interface Pick {
  readonly clip: number;
  /** First frame of the window. */
  readonly start: number;
}

/** Settings that determine the order of the data. */
export interface SamplerOptions {
  /** Number of possible window starts of each clip. */
  readonly starts: readonly number[];
  /** Clips per batch. */
  readonly batch: number;
  readonly seed: number;
  /** False: natural order, repeated; windows begin at the first frame. */
  readonly shuffle: boolean;
}

/**
 * The order of the data, as a pure function of the position: a run that continues from a position
 * sees the same data as without the stop.
 *
 * Shuffled, the order of each epoch is the one of PyTorch's `DataLoader(shuffle=True,
 * drop_last=True, generator=torch.Generator().manual_seed(seed))`; the first frames of the windows
 * are drawn after it from the same generator, as `torch.randint(0, starts)` for each clip in turn
 * that has more than one place.
 * Source: PyTorch 2.5.1, torch/utils/data/{dataloader,sampler}.py; TensorFactories.cpp, randperm_cpu
 */
export class Sampler {
  readonly #options: SamplerOptions;
  #bits: Mt19937;
  #epoch: readonly Pick[] = [];
  /** Position of the current epoch's first pick, and number of epochs drawn. */
  #begin = 0;
  #position = 0;

  /** @throws {RangeError} no clips */
  constructor(options: SamplerOptions) {
    if (options.starts.length === 0) throw new RangeError("Cannot train: there are no clips");
    this.#options = options;
    this.#bits = new Mt19937(options.seed);
  }

  /** Picks handed out so far. */
  get position(): number {
    return this.#position;
  }

  /** Moves to any position. */
  seek(position: number): void {
    if (position < this.#begin) {
      this.#bits = new Mt19937(this.#options.seed);
      this.#epoch = [];
      this.#begin = 0;
    }
    this.#position = position;
  }

  /** The picks of the next batch. */
  next(): Pick[] {
    return Array.from({ length: this.#options.batch }, () => this.#pick());
  }

  #pick(): Pick {
    while (this.#position >= this.#begin + this.#epoch.length) {
      this.#begin += this.#epoch.length;
      this.#epoch = this.#drawEpoch();
    }
    return this.#epoch[this.#position++ - this.#begin]!;
  }

  #drawEpoch(): Pick[] {
    const { starts, shuffle, batch } = this.#options;
    if (!shuffle) return starts.map((_, clip) => ({ clip, start: 0 }));
    this.#word(); // the base seed of the loader's workers: 64 bits
    this.#word();
    const order = this.#permutation(starts.length);
    this.#permutation(starts.length); // RandomSampler draws another one when the first is used up
    const start = (places: number) => places > 1 ? this.#word() % places : 0;
    const picks = order.map((clip) => ({ clip, start: start(starts[clip]!) }));
    // an incomplete last batch is dropped, unless it is the only one
    return picks.length < batch ? picks : picks.slice(0, picks.length - picks.length % batch);
  }

  /** Draws like torch.randperm. */
  #permutation(count: number): number[] {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = 0; i < count - 1; i++) {
      const other = i + this.#word() % (count - i);
      [order[i], order[other]] = [order[other]!, order[i]!];
    }
    return order;
  }

  #word(): number {
    return this.#bits.next() >>> 0;
  }
}

/**
 * Windows at even distances among all of those of some clips; again from the first if there are
 * fewer.
 */
export function spreadPicks(starts: readonly number[], count: number): Pick[] {
  const all = starts.reduce((sum, places) => sum + places, 0);
  return Array.from({ length: count }, (_, i) => {
    let start = count > all ? i % all : Math.floor(i * all / count);
    const clip = starts.findIndex((places) => {
      if (start < places) return true;
      start -= places;
      return false;
    });
    return { clip, start };
  });
}
