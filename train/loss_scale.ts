import type { LossScaleState, ScaledStep } from "./settings.ts";

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
 * and the weights stay as they are; many good steps in a row double it. A result is read a step late,
 * so each step knows those up to the one before the last, also where a run was stopped in between.
 */
export class LossScale {
  #state: LossScaleState | undefined;

  /** @param isNeeded for f16; else the scale is always 1 */
  constructor(isNeeded: boolean) {
    this.#state = isNeeded ? FIRST : undefined;
  }

  /** The factor of the current step. */
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

  /** Goes on to a step. Returns its factor. */
  begin(step: number): number {
    const last = this.#state?.last;
    if (last && last.step < step - 1) this.#state = adjusted(this.#state!, last);
    return this.scale;
  }

  /** Takes note of a step's result. */
  note(last: ScaledStep): void {
    if (!this.#state) return;
    const { last: before, ...state } = this.#state;
    this.#state = { ...(before ? adjusted(state, before) : state), last };
  }
}

/** The state after a result. */
function adjusted({ scale, goodSteps }: LossScaleState, result: ScaledStep): LossScaleState {
  // a step that was submitted before the scale changed says nothing about the new one
  if (result.scale !== scale) return { scale, goodSteps };
  if (!result.finite) return { scale: Math.max(scale / 2, 1), goodSteps: 0 };
  if (goodSteps < GOOD_STEPS - 1) return { scale, goodSteps: goodSteps + 1 };
  return { scale: Math.min(2 * scale, LARGEST), goodSteps: 0 };
}
