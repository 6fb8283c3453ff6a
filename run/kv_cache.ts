/** Values of the `Step` buffer that depend on the caches. */
export interface CacheState {
  /** Keys in the long-term region, its oldest slot, its size, frame index of its oldest key. */
  readonly contextKeys: number;
  readonly contextStart: number;
  readonly contextSlots: number;
  readonly contextFrame: number;
  /** The same for the short-term window. */
  readonly windowStart: number;
  readonly windowSlots: number;
  readonly windowFrame: number;
}

/** One pass over frames of one kind: which, where their keys go and how many keys each sees. */
export interface PassPlan {
  readonly kind: "window" | "context";
  readonly frames: readonly number[];
  readonly slots: readonly number[];
  readonly keys: readonly number[];
  readonly state: CacheState;
  /** Whether the last frame is the noisy one, whose velocity is needed. */
  readonly final: boolean;
}

export interface CacheSizes {
  /** Frames of the short-term window; Infinity if it contains all frames. */
  readonly window: number;
  /** Keys per long-term and per window frame. */
  readonly contextTokens: number;
  readonly windowTokens: number;
  /** Frames that each region has room for; when full, the oldest frame is dropped. */
  readonly contextCapacity: number;
  readonly windowCapacity: number;
  /** Most frames a pass may hold. */
  readonly passFrames: { readonly window: number; readonly context: number };
  /** False recomputes everything in each step (for checking). */
  readonly enabled: boolean;
  /** Keeps the keys of a full window although its frames now attend to others. */
  readonly reusesWindow?: boolean;
}

/**
 * Bookkeeping of the two-level KV cache. Long-term frames are encoded once, when they leave the
 * window. Up to a full window each clean frame is encoded once; beyond it the whole window is
 * encoded again at the first step of each new frame, since a frame's keys depend on what it attends
 * to. If the window's keys are reused, its frames keep those they were encoded with. The noisy
 * frame's keys have their own slot and are overwritten in each step. Source: released
 * `FAR_Long.forward` with `FARMultiLevelKVCache`.
 */
export class KvCache {
  readonly #sizes: CacheSizes;
  /** Frames added to long-term context, frames it skipped, and clean frames encoded. */
  #context = 0;
  #contextFrom = 0;
  #clean = 0;

  constructor(sizes: CacheSizes) {
    this.#sizes = sizes;
  }

  /** Frames of the window: fewer than the model's if there is no room for them. */
  get #window(): number {
    const { window, windowCapacity } = this.#sizes;
    return Number.isFinite(window) ? Math.min(window, windowCapacity) : window;
  }

  /** Slots per head, both regions. */
  get slots(): number {
    const { contextCapacity, contextTokens, windowCapacity, windowTokens } = this.#sizes;
    return contextCapacity * contextTokens + windowCapacity * windowTokens;
  }

  /** First slot of the window region. */
  get windowSlot(): number {
    return this.#sizes.contextCapacity * this.#sizes.contextTokens;
  }

  /** Passes of one model call for the noisy frame with this index; `first` for its first call. */
  passes(frame: number, first: boolean): PassPlan[] {
    const { enabled, windowCapacity } = this.#sizes;
    const windowFirst = Math.max(0, frame + 1 - this.#window);
    if (!enabled) this.#context = this.#contextFrom = this.#clean = 0;
    const plans: PassPlan[] = [];
    if (first || !enabled) {
      plans.push(...this.#contextPasses(windowFirst));
      // frames that a bounded memory would drop at once are not encoded at all
      const again = windowFirst > 0 && !this.#sizes.reusesWindow;
      const from = Math.max(again ? 0 : this.#clean, windowFirst, frame + 1 - windowCapacity);
      plans.push(...this.#windowPasses(from, frame, windowFirst));
      this.#context = windowFirst;
      this.#clean = frame;
    } else plans.push(...this.#windowPasses(frame, frame, windowFirst));
    return plans;
  }

  #contextPasses(end: number): PassPlan[] {
    const { contextTokens, contextCapacity, passFrames } = this.#sizes;
    if (end - this.#context > contextCapacity) this.#contextFrom = end - contextCapacity;
    const from = Math.max(this.#context, this.#contextFrom);
    return chunks(from, end, passFrames.context).map((frames) => {
      const last = frames.at(-1)!;
      const state = this.#state(last + 1, 0);
      return {
        kind: "context",
        frames,
        slots: frames.map((i) => (i % contextCapacity) * contextTokens),
        keys: frames.map((i) => (i + 1 - state.contextFrame) * contextTokens),
        state,
        final: false,
      };
    });
  }

  #windowPasses(from: number, noisy: number, windowFirst: number): PassPlan[] {
    const { windowTokens, passFrames } = this.#sizes;
    const state = this.#state(windowFirst, noisy);
    return chunks(from, noisy + 1, passFrames.window).map((frames) => ({
      kind: "window",
      frames,
      slots: frames.map((i) => this.windowSlot + this.#windowPlace(i, windowFirst) * windowTokens),
      keys: frames.map((i) => state.contextKeys + (i + 1 - state.windowFrame) * windowTokens),
      state,
      final: frames.at(-1) === noisy,
    }));
  }

  /** A re-encoded window starts at its first slot; one with reused keys is a ring. */
  #windowPlace(frame: number, windowFirst: number): number {
    const { reusesWindow, windowCapacity } = this.#sizes;
    return windowFirst > 0 && !reusesWindow ? frame - windowFirst : frame % windowCapacity;
  }

  #state(contextFrames: number, noisy: number): CacheState {
    const { contextTokens, contextCapacity, windowTokens, windowCapacity } = this.#sizes;
    const kept = Math.min(contextFrames - this.#contextFrom, contextCapacity);
    const contextFrame = contextFrames - kept;
    const windowFrame = Math.max(contextFrames, noisy + 1 - windowCapacity);
    return {
      contextKeys: kept * contextTokens,
      contextStart: (contextCapacity ? contextFrame % contextCapacity : 0) * contextTokens,
      contextSlots: contextCapacity * contextTokens,
      contextFrame,
      windowStart: this.#windowPlace(windowFrame, contextFrames) * windowTokens,
      windowSlots: windowCapacity * windowTokens,
      windowFrame,
    };
  }
}

/** Splits [from, to) into runs of at most `most`. */
function chunks(from: number, to: number, most: number): number[][] {
  const out: number[][] = [];
  for (let start = from; start < to; start += most) {
    const length = Math.min(most, to - start);
    out.push(Array.from({ length }, (_, i) => start + i));
  }
  return out;
}
