import type { LossScaleState } from "./settings.ts";

/**
 * The first gradients are about 2 / (numbers of a frame), far above 6e-8, the least of f16: a factor
 * as large as the 65536 of `torch.amp.GradScaler` would lose the first steps to overflows.
 */
const FIRST: LossScaleState = { scale: 2 ** 10, goodSteps: 0 };
/** Good steps in a row that double it. */
const GOOD_STEPS = 2000;
const LARGEST = 2 ** 24;

/**
 * The scale of the loss, and so of all gradients, so that f16 can hold them. An overflow halves it,
 * and the weights stay as they are; many good steps in a row double it.
 */
export class LossScale {
  #state: LossScaleState | undefined;

  /** @param isNeeded for f16; else the scale is always 1 */
  constructor(isNeeded: boolean) {
    this.#state = isNeeded ? FIRST : undefined;
  }

  /** The factor. */
  get scale(): number {
    return this.#state?.scale ?? 1;
  }

  /** For a checkpoint; undefined if none is needed. */
  get state(): LossScaleState | undefined {
    return this.#state;
  }

  /** Continues with a checkpoint's. */
  restore(state: LossScaleState | undefined): void {
    if (this.#state) this.#state = state ?? FIRST;
  }

  /** Takes note of a step that was computed with this scale. */
  note(scale: number, finite: boolean): void {
    // a step that was submitted before the scale changed says nothing about the new one
    if (!this.#state || scale !== this.#state.scale) return;
    const goodSteps = finite ? this.#state.goodSteps + 1 : 0;
    if (!finite) this.#state = { scale: Math.max(scale / 2, 1), goodSteps };
    else if (goodSteps < GOOD_STEPS) this.#state = { scale, goodSteps };
    else this.#state = { scale: Math.min(2 * scale, LARGEST), goodSteps: 0 };
  }
}
